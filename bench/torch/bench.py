"""Our training beside PyTorch's: the same Qwen2 shape, rows and optimizer, step by step in turn, in one run.

`make bench-torch` builds the commands and runs this. Four processes stay loaded: ours and PyTorch with Hugging Face's Qwen2, each in
fp32 and in bf16 (theirs: autocast). Both have float32 weights and AdamW, the norm clipped, a batch of one leaf. In each round every
process takes one step after another; the first two steps of each are not counted, nor is a step during which other processes used
over 0.3 core. PyTorch may use the faster of its two attentions (sdpa, eager), which is tried first. Peak RSS is VmHWM at the end.
The table goes to stdout and .scratch/torch/report.md, all steps to report.json.

The environment selects:
    TORCH_PYTHON=PATH       a Python that has torch and transformers; else .scratch/torch/venv is made (requirements.txt, 1 GB)
    TORCH_ROUNDS=6  TORCH_THREADS=2  TORCH_WORK=.scratch/torch
    TORCH_PROFILE=DIR       ours writes its processor profiles there (go tool pprof)
"""
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "bench", "peers"))
from duel import Worker, environment, timed  # noqa: E402

WORK = os.path.abspath(os.environ.get("TORCH_WORK") or os.path.join(ROOT, ".scratch", "torch"))
ROUNDS, THREADS = int(os.environ.get("TORCH_ROUNDS") or 6), int(os.environ.get("TORCH_THREADS") or 2)
ROWS, LENGTH = 4, 512
SHAPE = (16384, 512, 1376, 8, 8, 4)  # vocabulary, hidden, FFN, layers, heads, KV heads: bench/synth's preset 31m
WARM, QUIET = 2, 0.3
GOALS = {"fp32": 1.5, "bf16": 1.0, "rss": 0.4}


def run(*args, **kw):
    if subprocess.run(args, cwd=ROOT, **kw).returncode:
        raise SystemExit("bench-torch: failed: " + " ".join(args))


def python():
    """A Python that has torch."""
    if os.environ.get("TORCH_PYTHON"):
        return os.environ["TORCH_PYTHON"]
    path = os.path.join(WORK, "venv", "bin", "python")
    if not os.path.exists(path) or subprocess.run([path, "-c", "import torch, transformers"], capture_output=True).returncode:
        run(sys.executable, "-m", "venv", os.path.join(WORK, "venv"))
        run(path, "-m", "pip", "install", "-q", "-r", os.path.join(HERE, "requirements.txt"))
    return path


def model():
    """The student's file, random weights."""
    path = os.path.join(WORK, "31m.gguf")
    if not os.path.exists(path):
        folder = os.path.join(WORK, "31m")
        run("go", "run", "./bench/synth", "-preset", "31m", "-o", folder)
        run(os.path.join("bin", "qwq-convert"), "quantize", folder, "-o", path, "--type", "f32")
    return path


def open_worker(*argv, **more):
    """A worker, and the line that it begins with."""
    w = Worker([str(a) for a in argv], dict(environment("native"), **more))
    return w, json.loads(w.proc.stdout.readline())


def peak(w):
    with open("/proc/%d/status" % w.proc.pid) as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:"))


def attention(py):
    """The faster of PyTorch's attentions for each precision: the best of two steps after a first one."""
    best = {}
    for precision in ("fp32", "bf16"):
        for kind in ("sdpa", "eager"):
            w, _ = open_worker(py, os.path.join(HERE, "step.py"), precision, THREADS, ROWS, LENGTH, kind, *SHAPE)
            seconds = min([w.ask("step")["seconds"] for _ in range(3)][1:])
            w.close()
            best[precision] = min(best.get(precision, (9e9, "")), (seconds, kind))
    return {p: kind for p, (_, kind) in best.items()}


def main():
    os.makedirs(WORK, exist_ok=True)
    py, path, ours = python(), model(), os.path.join(WORK, "ours")
    run("go", "build", "-o", ours, "./bench/torch/ours")
    kinds = attention(py)
    workers, about = {}, {}
    for p in ("fp32", "bf16"):
        profile = os.environ.get("TORCH_PROFILE")
        more = {"PROFILE": os.path.join(os.path.abspath(profile), p + ".prof")} if profile else {}
        workers[p, "ours"], about[p, "ours"] = open_worker(ours, path, p, THREADS, ROWS, LENGTH, **more)
        workers[p, "torch"], about[p, "torch"] = open_worker(py, os.path.join(HERE, "step.py"), p, THREADS, ROWS, LENGTH, kinds[p], *SHAPE)
    counts = {a["parameters"] for a in about.values()}
    if len(counts) != 1:
        raise SystemExit("bench-torch: the models differ: %s parameters" % counts)
    steps = {k: [] for k in workers}
    for r in range(WARM + ROUNDS):
        for key, w in workers.items():
            waiting = workers[key[0], "torch" if key[1] == "ours" else "ours"]
            s = timed(w, waiting, "step")
            if r >= WARM and s["others"] + s["steal"] < QUIET:
                steps[key].append(s)
    memory = {k: peak(w) for k, w in workers.items()}
    for w in workers.values():
        w.close()
    text = report(counts.pop(), kinds, about, steps, memory)
    print(text)
    with open(os.path.join(WORK, "report.md"), "w") as f:
        f.write(text + "\n")
    with open(os.path.join(WORK, "report.json"), "w") as f:
        json.dump({"steps": {"%s %s" % k: v for k, v in steps.items()}, "rss": {"%s %s" % k: v for k, v in memory.items()}}, f, indent=1)


def report(parameters, kinds, about, steps, memory):
    lines = ["%.1f M parameters, %d x %d tokens a step, %d threads, AdamW; PyTorch %s (attention: fp32 %s, bf16 %s), ours %s; median of the quiet steps" %
             (parameters / 1e6, ROWS, LENGTH, THREADS, about["fp32", "torch"]["torch"], kinds["fp32"], kinds["bf16"], about["fp32", "ours"]["kernel"]),
             "", "| | ours | PyTorch | ratio | goal | |", "| --- | --- | --- | --- | --- | --- |"]

    def row(name, a, b, ratio, goal, ok):
        lines.append("| %s | %s | %s | %.2f | %s | %s |" % (name, a, b, ratio, goal, "met" if ok else "missed"))

    for p in ("fp32", "bf16"):
        rate = {}
        for side in ("ours", "torch"):
            if not steps[p, side]:
                raise SystemExit("bench-torch: no quiet step of %s, %s: other processes are busy" % (p, side))
            rate[side] = ROWS * LENGTH / statistics.median(s["seconds"] for s in steps[p, side])
        ratio = rate["ours"] / rate["torch"]
        row("%s, tokens/s (%d and %d steps)" % (p, len(steps[p, "ours"]), len(steps[p, "torch"])), "%.0f" % rate["ours"], "%.0f" % rate["torch"],
            ratio, ">= %g" % GOALS[p], ratio >= GOALS[p])
    for p in ("fp32", "bf16"):
        a, b = memory[p, "ours"] / 1e6, memory[p, "torch"] / 1e6
        row("%s, peak RSS, MB" % p, "%.0f" % a, "%.0f" % b, a / b, "<= %g" % GOALS["rss"], a / b <= GOALS["rss"])
    return "\n".join(lines)


main()
