"""Two engines in two processes that stay loaded, asked in turn, with what else the machine did meanwhile."""
import json
import os
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


class Worker:
    """A process that answers each line with one of JSON."""

    def __init__(self, argv, env):
        self.proc = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, *words):
        try:
            self.proc.stdin.write(" ".join(map(str, words)) + "\n")
            line = self.proc.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise SystemExit("bench-peers: %s ended at %s" % (self.proc.args, words))
        a = json.loads(line)
        if a.get("error"):
            raise SystemExit("bench-peers: %s: %s: %s" % (os.path.basename(self.proc.args[-1]), " ".join(map(str, words)), a["error"]))
        return a

    def close(self):
        self.proc.stdin.close()
        self.proc.wait()

    def cpu(self):
        """Seconds of processor time used so far."""
        with open("/proc/%d/stat" % self.proc.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK


def environment(part):
    """For both sides alike: no thread settings of the caller, and the kernels of the part for ours."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "GGML_", "QWQ_", "GOMAXPROCS", "GOGC", "GODEBUG"))}
    if part == "avx2":
        env["QWQ_KERNEL"] = "avx2"
    return env


def busy():
    """Seconds of processor time that all processes used, and that the host took away, since boot."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
    return (user + nice + system + irq + softirq) / TICK, steal / TICK


def timed(active, waiting, *words):
    """Asks active. Its seconds, and in cores what everything but it used meanwhile, the waiting worker of that, and the host."""
    wall, (all0, steal0), own0, wait0 = time.monotonic(), busy(), active.cpu(), waiting.cpu()
    seconds = active.ask(*words)["seconds"]
    wall, (all1, steal1), own1, wait1 = time.monotonic() - wall, busy(), active.cpu(), waiting.cpu()
    return {"seconds": seconds, "others": max(0.0, all1 - all0 - (own1 - own0)) / wall, "waiting": (wait1 - wait0) / wall,
            "steal": (steal1 - steal0) / wall}


class Duel:
    """Both engines with one file and thread count, and a third process that measures the machine."""

    def __init__(self, ours, peer, env, path, threads):
        self.threads = threads
        self.ours, self.peer, self.machine = (Worker(argv, env) for argv in (ours, peer, ours))
        self.limits = {n: self.machine.ask("machine", n) for n in sorted({1, threads})}
        opened, _ = (w.ask("open", path, threads, 4096 + 256, 512) for w in (self.ours, self.peer))
        self.kernel, self.kv_bytes = opened["kernel"], opened["kv_bytes"]

    def prepare(self, test):
        """Fills the KV cache where the test starts at a depth, and runs it once without counting it."""
        name, _, depth = test.partition("@")
        for w in (self.ours, self.peer):
            if name.startswith("tg"):
                w.ask("depth", depth or 0)
            w.ask(name[:2], name[2:])

    def pair(self, test):
        """One measurement of each, one right after the other."""
        name = test.partition("@")[0]
        read = {n: self.machine.ask("read", n)["read"] for n in self.limits}
        return {"read": read, "ours": timed(self.ours, self.peer, name[:2], name[2:]),
                "peer": timed(self.peer, self.ours, name[:2], name[2:])}

    def greedy(self, count, prompt):
        """What each continues a prompt with."""
        return {side: w.ask("greedy", count, ",".join(map(str, prompt))) for side, w in (("ours", self.ours), ("peer", self.peer))}

    def close(self):
        for w in (self.ours, self.peer, self.machine):
            w.close()


def start(argv, env, path, threads):
    """Seconds from the start of a process to the first token of a one-token prompt, and of these the ones after the file was
    asked for."""
    begin = time.monotonic()
    w = Worker(argv, env)
    inside = w.ask("open", path, threads, 512, 512)["seconds"] + w.ask("greedy", 1, 100)["seconds"]
    whole = time.monotonic() - begin
    w.close()
    return whole, inside
