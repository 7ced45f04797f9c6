"""What a measurement needs: llama.cpp built from its source package in a scratch environment, and the model files."""
import os
import platform
import shutil
import subprocess
import sys

from duel import Worker, environment
from goals import FILES

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CONVERT = os.path.join(ROOT, "bin", "qwq-convert")
PEER = os.path.join(HERE, "peer.py")
VERSION = "0.3.36"

# pip's cache does not look at CMAKE_ARGS, so both builds leave it out.
BUILDS = {
    "native": "-DGGML_NATIVE=ON",
    "avx2": "-DGGML_NATIVE=OFF -DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON"
            " -DGGML_AVX_VNNI=OFF -DGGML_AVX512=OFF -DGGML_AVX512_VBMI=OFF -DGGML_AVX512_VNNI=OFF -DGGML_AVX512_BF16=OFF",
}
PARTS = tuple(BUILDS) if platform.machine() in ("x86_64", "AMD64") else ("native",)


def die(text):
    raise SystemExit("bench-peers: " + text)


def run(*args, **kw):
    if subprocess.run([str(a) for a in args], **kw).returncode:
        die("failed: " + " ".join(map(str, args)))


def tool(name, package):
    if not shutil.which(name):
        die("%s is missing: apt-get install %s" % (name, package))


def venv(work, part):
    """The Python of llama.cpp's build for a part; built when it is not there (10 minutes of one core)."""
    folder = os.path.join(work, "venv-" + part)
    python = os.path.join(folder, "bin", "python")
    check = "from importlib.metadata import version; assert version('llama_cpp_python') == '%s'" % VERSION
    if os.path.exists(python) and subprocess.run([python, "-c", check], capture_output=True).returncode == 0:
        return python
    for name, package in (("g++", "g++"), ("cmake", "cmake"), ("make", "make")):
        tool(name, package)
    try:
        import ensurepip  # noqa: F401
        import venv as _  # noqa: F401
    except ImportError:
        die("python3 has no venv: apt-get install python3-venv")
    print("bench-peers: building llama.cpp (%s): %s" % (part, BUILDS[part]), file=sys.stderr, flush=True)
    run(sys.executable, "-m", "venv", folder)
    run(python, "-m", "pip", "install", "-q", "--no-cache-dir", "-r", os.path.join(HERE, "requirements.txt"),
        env=dict(os.environ, CMAKE_ARGS=BUILDS[part]))
    return python


def flags(system):
    """The flags of a system_info line: "CPU : AVX2 = 1 | REPACK = 1 | " as {"AVX2": "1", …}."""
    pairs = (f.split(":")[-1].split("=") for f in system.split("|") if "=" in f)
    return {k.strip(): v.strip() for k, v in pairs}


def system(python, part):
    """The build's system_info line, after a check that the build is what the part is named for."""
    w = Worker([python, PEER], environment(part))
    line = w.ask("system")["system"]
    w.close()
    has = flags(line)
    with open("/proc/cpuinfo") as f:
        vnni = " avx512_vnni" in f.read()
    if part == "native":
        if has.get("REPACK") != "1" or vnni and has.get("AVX512_VNNI") != "1":
            die("llama.cpp is not built as it should be for this CPU: " + line)
        if not vnni:
            line += " (this CPU has no avx512_vnni)"
    elif has.get("AVX2") != "1" or any(k.startswith("AVX512") for k in has):
        die("llama.cpp is not built for AVX2 alone: " + line)
    return line


def tokenizer():
    """Qwen2.5's where the shared data are at hand, so that vocabularies have their real size."""
    best = os.path.join(os.path.dirname(ROOT), "shared", "data", "tokenizers", "qwen2.5")
    return best if os.path.isdir(best) else os.path.join(ROOT, "testdata", "tinystories-qwen2")


def model(work, name, python):
    """The path of a model file; made when it is not there."""
    os.makedirs(os.path.join(work, "models"), exist_ok=True)
    return make(work, *FILES[name], python)


def make(work, preset, kind, python):
    """F16 of random weights and from it Q8_0 by our tool, 4-bit types by llama.cpp's."""
    path = os.path.join(work, "models", "%s-%s.gguf" % (preset, kind))
    if os.path.exists(path):
        return path
    src = os.path.join(work, "src-" + preset) if kind == "f16" else make(work, preset, "f16", python)
    print("bench-peers: making " + path, file=sys.stderr, flush=True)
    if kind == "f16":
        run("go", "run", "./bench/synth", "-preset", preset, "-tokenizer", tokenizer(), "-o", src, cwd=ROOT)
    if kind in ("f16", "q8_0"):
        run(CONVERT, "quantize", src, "-o", path + ".part", "--type", kind, "--force", stdout=subprocess.DEVNULL)
    else:
        w = Worker([python, PEER], environment("native"))
        w.ask("quantize", src, path + ".part", kind)
        w.close()
    os.replace(path + ".part", path)
    if kind == "f16":
        shutil.rmtree(src)
    return path
