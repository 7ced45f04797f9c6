"""Our speed beside llama.cpp's: both on the same file, on this machine, in one run.

`make bench-peers` builds the commands and runs this. It builds PyPI's llama-cpp-python from source in scratch environments
(one for this CPU, one for AVX2 alone), makes the model files, and measures in pairs, ours then theirs, both processes loaded
all the time: same threads, batches of 512, F16 KV cache, flash attention as is the default, logits of a prompt's last
position only, one warm-up. A pair during which other processes used over 0.3 core is dropped. The read bandwidth is measured
before each pair. The table goes to stdout and .scratch/peers/report.md, all figures to report.json.

The environment selects; lists are between commas:
    PEERS_PARTS=native,avx2     avx2: QWQ_KERNEL=avx2 against llama.cpp without AVX-512
    PEERS_FILES=q8_0,q4_0,q4_k_m,1024-q4_k_m,f16
    PEERS_TESTS=ids,start,pp512,pp2048,tg64,tg64@4096     tg64@4096 writes 64 tokens at depth 4,096
    PEERS_THREADS=1,2
    PEERS_PAIRS=7               of each test that must count
    PEERS_SECONDS=N             stop before N seconds; the next run goes on where this one stopped. Results are kept until our
                                program changes; rm -r .scratch/peers/results.jsonl forgets them
    PEERS_WORK=.scratch/peers
A short run, about 2 minutes once all is built: make bench-peers PEERS_FILES=q8_0 PEERS_TESTS=ids,pp512,tg64 PEERS_PARTS=native
"""
import hashlib
import os
import subprocess
import sys
import time

import prepare
import report
from duel import Duel, Worker, environment, start
from goals import FILES, TESTS
from results import LIMIT, Results

PROMPTS = [[(7919 * i + 31 * p + 3) % 20000 for i in range(32)] for p in range(4)]
IDS = 16  # generated of each prompt


def chosen(name, known, default=None):
    values = [v for v in os.environ.get(name, "").replace(" ", "").split(",") if v] or list(default or known)
    for v in values:
        if v not in known:
            prepare.die("%s: %s is not one of %s" % (name, v, ", ".join(known)))
    return values


def number(name, default):
    text = os.environ.get(name) or str(default)
    if not text.isdigit():
        prepare.die("%s: %r is no number" % (name, text))
    return int(text)


class Run:
    def __init__(self):
        self.work = os.path.abspath(os.environ.get("PEERS_WORK") or os.path.join(prepare.ROOT, ".scratch", "peers"))
        self.parts = chosen("PEERS_PARTS", prepare.PARTS)
        self.files = chosen("PEERS_FILES", tuple(FILES))
        self.tests = chosen("PEERS_TESTS", ("ids", "start") + TESTS)
        cpus = os.cpu_count() or 1
        self.threads = [int(t) for t in chosen("PEERS_THREADS", [str(n + 1) for n in range(cpus)], [str(n) for n in (1, 2) if n <= cpus])]
        self.pairs = number("PEERS_PAIRS", 7)
        limit = number("PEERS_SECONDS", 0)
        self.deadline = time.monotonic() + limit if limit else float("inf")
        os.makedirs(self.work, exist_ok=True)
        self.ours = os.path.join(self.work, "ours")
        prepare.run("go", "build", "-trimpath", "-buildvcs=false", "-o", self.ours, "./bench/peers/ours", cwd=prepare.ROOT)
        self.python = {part: prepare.venv(self.work, part) for part in self.parts}
        self.systems = {part: prepare.system(self.python[part], part) for part in self.parts}
        maker = self.python.get("native") or prepare.venv(self.work, "native")
        self.paths = {f: prepare.model(self.work, f, maker) for f in self.files}

    def stamp(self):
        """What results depend on: our program, the peer's side of the harness, the machine."""
        h = hashlib.sha256()
        for p in (self.ours, prepare.PEER):
            with open(p, "rb") as f:
                h.update(f.read())
        h.update(report.cpu().encode() + prepare.VERSION.encode())
        return h.hexdigest()[:16]

    def peer(self, part):
        return [self.python[part], prepare.PEER]

    def left(self, seconds):
        return time.monotonic() + seconds < self.deadline

    def all(self, res):
        """Every test that is wanted and not complete, file by file; False when the time is up."""
        for part in self.parts:
            for file in self.files:
                for threads in self.threads:
                    speeds = [t for t in self.tests if t in TESTS and res.missing(part, file, threads, t, self.pairs)]
                    last = threads == self.threads[-1]
                    ids = last and "ids" in self.tests and not res.of(part, file, 0, "ids")
                    if (speeds or ids) and not self.duel(res, part, file, threads, speeds, ids):
                        return False
                    if last and "start" in self.tests and not self.starts(res, part, file, threads):
                        return False
        return True

    def duel(self, res, part, file, threads, speeds, ids):
        if not self.left(5):
            return False
        d = Duel([self.ours], self.peer(part), environment(part), self.paths[file], threads)
        try:
            res.add(part, file, threads, "machine", {"limits": d.limits, "kernel": d.kernel, "kv_bytes": d.kv_bytes})
            if ids:
                res.add(part, file, 0, "ids", {"prompts": [d.greedy(IDS, p) for p in PROMPTS]})
            for test in speeds:
                begin = time.monotonic()
                if not self.left(res.took(part, file, threads, test)):
                    return False
                d.prepare(test)
                took = time.monotonic() - begin
                while res.missing(part, file, threads, test, self.pairs):
                    if not self.left(took):
                        return False
                    begin = time.monotonic()
                    pair = d.pair(test)
                    took = time.monotonic() - begin
                    res.add(part, file, threads, test, dict(pair, took=took))
                    self.say(part, file, threads, test, pair)
        finally:
            d.close()
        return True

    def say(self, part, file, threads, test, pair):
        n, a, b = report.count(test), pair["ours"], pair["peer"]
        print("%s %s %s t=%d: %.1f and %.1f tokens/s, others %.2f and %.2f core%s" % (
            part, file, test, threads, n / a["seconds"], n / b["seconds"], a["others"], b["others"],
            "" if max(a["others"], b["others"]) <= LIMIT else ", dropped"), file=sys.stderr, flush=True)

    def starts(self, res, part, file, threads):
        env, path = environment(part), self.paths[file]
        while len(res.of(part, file, threads, "start")) <= self.pairs:  # the first warms the cache and does not count
            if not self.left(3):
                return False
            res.add(part, file, threads, "start", {s: start(argv, env, path, threads) for s, argv in
                                                   (("ours", [self.ours]), ("peer", self.peer(part)))})
        return True

    def describe(self):
        """What each file holds, from our reader: bytes that a token reads, weights in matrices but the embedding and output."""
        return {f: report.contents(subprocess.check_output([prepare.CONVERT, "inspect", p, "--json"])) for f, p in self.paths.items()}


def main():
    if not hasattr(os, "sysconf") or not os.path.exists("/proc/stat"):
        prepare.die("this needs Linux")
    run = Run()
    res = Results(os.path.join(run.work, "results.jsonl"), run.stamp())
    done = run.all(res)
    text = report.write(run, res)
    print(text)
    if not done:
        print("bench-peers: the time is up; run it again to go on", file=sys.stderr)
        return 3
    return 0


sys.exit(main())
