"""What the measurements are held against: the goals (ratio to llama.cpp on the same file), and the figures that llama.cpp
reached elsewhere on a machine of this kind, which tell whether it was built and run as it should be.
"""

# file: preset of bench/synth, type
FILES = {
    "q8_0": ("0.5b", "q8_0"),
    "q4_0": ("0.5b", "q4_0"),
    "q4_k_m": ("0.5b", "q4_k_m"),
    "1024-q4_k_m": ("1024", "q4_k_m"),
    "f16": ("0.5b", "f16"),
}
TESTS = ("pp512", "pp2048", "tg64", "tg64@4096")

#               prefill, decode with 2 threads or more, decode with 1
GOALS = {
    "q8_0": (4.0, 1.4, 1.25),
    "q4_0": (2.0, 1.5, 1.4),
    "q4_k_m": (3.5, 1.5, 1.4),
    "1024-q4_k_m": (2.5, 1.5, 1.4),
    "f16": (1.3, 1.3, 1.2),
}
AVX2 = (1.5, 1.2, 1.2)
FAR = ("pp2048", "tg64@4096")  # here the goals are 20 % lower
SHARE = 0.9  # of the read bandwidth of the same run: also meets the goal of decoding with 1 thread

# llama.cpp's tokens/s with 1 and 2 threads: 2 vCPU AMD EPYC with AVX-512 and VNNI, llama-cpp-python 0.3.36 built natively.
PUBLISHED = {
    ("f16", "pp512"): (232, 450), ("f16", "tg64"): (30.6, 38.2),
    ("q8_0", "pp512"): (180, 342), ("q8_0", "tg64"): (49.5, 60.5),
    ("q4_0", "pp512"): (327, 647), ("q4_0", "tg64"): (66.1, 88.0),
    ("q4_k_m", "pp512"): (168, 317), ("q4_k_m", "tg64"): (52.5, 61.0),
}


def goal(part, file, test, threads):
    """The ratio to reach, and the floor: half of the gain."""
    prefill, many, one = AVX2 if part == "avx2" else GOALS[file]
    g = prefill if test.startswith("pp") else one if threads == 1 else many
    if test in FAR:
        g *= 0.8
    return g, 1 + (g - 1) / 2


def published(part, file, test, threads):
    """llama.cpp's figure, or None."""
    p = PUBLISHED.get((file, test))
    return p[threads - 1] if p and part == "native" and threads <= 2 else None
