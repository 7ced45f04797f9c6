"""The tables: ratios against the goals, both sides as a share of what the machine did in the same run, ids, starts."""
import json
import os
import platform
import statistics
import subprocess
import time

import goals
import prepare
from results import LIMIT

MARGIN = 0.15  # ids may part where the logits of the first two are as near as this: int8 activations are rounded differently


def cpu():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def count(test):
    return int(test.partition("@")[0][2:])


def contents(inspect):
    """Of a file: bytes that a token reads, weights in matrices but the embedding and the output, whether these are floats."""
    tensors = json.loads(inspect)["tensors"]
    output = any(t["name"] == "output.weight" for t in tensors)
    inner = [t for t in tensors if len(t["shape"]) > 1 and t["name"] not in ("token_embd.weight", "output.weight")]
    weights = 0
    for t in inner:
        n = 1
        for d in t["shape"]:
            n *= d
        weights += n
    return {"step": sum(t["bytes"] for t in tensors if not (output and t["name"] == "token_embd.weight")), "weights": weights,
            "floats": all(t["type"] in ("F16", "BF16", "F32") for t in inner)}


def row(res, part, file, threads, test, holds):
    """One test as numbers; None without a pair that counts."""
    pairs = res.good(part, file, threads, test)
    if not pairs:
        return None
    n = count(test)
    rate = {s: [n / p[s]["seconds"] for p in pairs] for s in ("ours", "peer")}
    goal, floor = goals.goal(part, file, test, threads)
    r = {"part": part, "file": file, "test": test, "threads": threads, "pairs": len(pairs),
         "dropped": len(res.of(part, file, threads, test)) - len(pairs), "goal": goal, "floor": floor,
         "waiting": max(p[s]["waiting"] for p in pairs for s in rate), "steal": max(p[s]["steal"] for p in pairs for s in rate)}
    for s in rate:
        r[s] = {"median": statistics.median(rate[s]), "best": max(rate[s]), "min": min(rate[s])}
    r["ratio"] = r["ours"]["median"] / r["peer"]["median"]
    r["ratio_best"] = r["ours"]["best"] / r["peer"]["best"]
    machine = res.of(part, file, threads, "machine")
    r["read"] = {t: statistics.median(p["read"][t] for p in pairs) for t in ("1", str(threads))}
    if test.startswith("tg"):
        depth = int(test.partition("@")[2] or 0)
        per_token, r["limit"] = holds["step"] + machine[-1]["kv_bytes"] * (depth + n / 2), r["read"][str(threads)]
    else:
        kind = "fp32" if holds["floats"] else "int8"
        limits = [m["limits"][str(threads)].get(kind, 0) for m in machine]
        per_token, r["limit"] = 2 * holds["weights"], max(limits)
    for s in rate:
        r[s]["share"] = r[s]["median"] * per_token / r["limit"] if r["limit"] else None
    met = r["ratio"] >= goal or threads == 1 and test.startswith("tg") and (r["ours"]["share"] or 0) >= goals.SHARE
    r["verdict"] = "met" if met else "above the floor" if r["ratio"] >= floor else "**below**"
    return r


def share(x):
    return "-" if x is None else "%.0f %%" % (100 * x)


def speeds(rows):
    yield "| kernels | file | test | threads | ours, median (best) | llama.cpp, median (best) | ratio of medians (best) | goal | floor | | share of the limit, ours / theirs | GB/s read | pairs (dropped) |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for r in rows:
        a, b = r["ours"], r["peer"]
        yield "| %s | %s | %s | %d | %.1f (%.1f) | %.1f (%.1f) | %.2f (%.2f) | %.2f | %.2f | %s | %s / %s | %.0f | %d (%d) |" % (
            r["part"], r["file"], r["test"], r["threads"], a["median"], a["best"], b["median"], b["best"], r["ratio"], r["ratio_best"],
            r["goal"], r["floor"], r["verdict"], share(a["share"]), share(b["share"]), r["read"][str(r["threads"])] / 1e9, r["pairs"], r["dropped"])


def parting(a, b):
    """Where the two sides' ids part first, with the lead of the first id over the second there; None if nowhere."""
    for i, (x, y) in enumerate(zip(a["ids"], b["ids"])):
        if x != y:
            return {"at": i, "ours": a["margins"][i], "peer": b["margins"][i]}
    return None


def ids(run, res):
    out = []
    for part in run.parts:
        for file in run.files:
            for r in res.of(part, file, 0, "ids")[-1:]:
                partings = [parting(p["ours"], p["peer"]) for p in r["prompts"]]
                near = all(p is None or min(p["ours"], p["peer"]) <= MARGIN for p in partings)
                out.append({"part": part, "file": file, "partings": partings, "verdict":
                            "same" if not any(partings) else "near ties" if near else "**differ**"})
    return out


def ids_table(found, n):
    yield "| kernels | file | first %d greedy ids of each prompt | |" % n
    yield "| --- | --- | --- | --- |"
    for f in found:
        text = "; ".join("same" if p is None else "part at %d, the first led the second by %.3f (ours), %.3f (theirs)" % (p["at"], p["ours"], p["peer"])
                         for p in f["partings"])
        yield "| %s | %s | %s | %s |" % (f["part"], f["file"], text, f["verdict"])


def starts(run, res):
    for part in run.parts:
        for file in run.files:
            for threads in run.threads:
                all_ = res.of(part, file, threads, "start")[1:]
                if all_:
                    ms = {s: [1000 * statistics.median(x[s][i] for x in all_) for i in (0, 1)] for s in ("ours", "peer")}
                    yield {"part": part, "file": file, "threads": threads, "runs": len(all_), "ms": ms}


def starts_table(rows):
    yield "| kernels | file | threads | ours: process, of that from opening | llama.cpp: from opening (process, with Python's start) | runs |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for r in rows:
        a, b = r["ms"]["ours"], r["ms"]["peer"]
        yield "| %s | %s | %d | %.0f ms, %.0f ms | %.0f ms (%.0f ms) | %d |" % (r["part"], r["file"], r["threads"], a[0], a[1], b[1], b[0], r["runs"])


def as_published(rows):
    for r in rows:
        p = goals.published(r["part"], r["file"], r["test"], r["threads"])
        if p:
            x = r["peer"]["median"] / p
            yield "- %s %s, %d threads: %.1f of %.1f tokens/s, %.2f%s" % (
                r["file"], r["test"], r["threads"], r["peer"]["median"], p, x, "" if abs(x - 1) <= 0.2 else " **not within 20 %**")


def machine(run, res, rows):
    for part in run.parts:
        for t in run.threads:
            all_ = [m for f in run.files for m in res.of(part, f, t, "machine")]
            limits = [m["limits"][str(t)] for m in all_]
            if limits:
                read = [r["read"][str(t)] for r in rows if r["part"] == part and r["threads"] == t] or [x["read"] for x in limits]
                yield "- %s kernels, %d threads: %.0f to %.0f GB/s read (medians of the tests), peaks int8 %.0f GOP/s, fp32 %.0f GFLOP/s" % (
                    all_[0]["kernel"], t, min(read) / 1e9, max(read) / 1e9, max(x.get("int8", 0) for x in limits) / 1e9,
                    max(x.get("fp32", 0) for x in limits) / 1e9)


def write(run, res):
    holds = run.describe()
    rows = [row(res, part, f, t, test, holds[f]) for part in run.parts for f in run.files for test in run.tests if test in goals.TESTS for t in run.threads]
    rows = [r for r in rows if r]
    found, begun = ids(run, res), list(starts(run, res))
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=os.path.dirname(os.path.abspath(__file__))).stdout.strip()
    head = "%s, commit %s, %s, %d CPUs, Linux %s" % (time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), commit, cpu(), os.cpu_count(), platform.release())
    lines = ["# Ours beside llama.cpp", "", head, ""]
    for part, s in run.systems.items():
        lines += ["- llama.cpp (llama-cpp-python %s), build %s: `%s`" % (prepare.VERSION, part, s)]
    lines += machine(run, res, rows)
    if rows:
        lines += ["", "Tokens/s. The limit is the read bandwidth of the same minutes when writing (tg), the arithmetic peak when reading (pp). A pair", 
                  "is dropped when others used over %.1f core. Of the pairs kept, the waiting engine used at most %.2f core; the host took at most %.2f core." % (
                      LIMIT, max(r["waiting"] for r in rows), max(r["steal"] for r in rows)), ""] + list(speeds(rows))
        lines += ["", "llama.cpp against what it reached elsewhere (2 vCPU AMD EPYC, AVX-512 VNNI):", ""] + list(as_published(rows))
    if found:
        lines += ["", "Ids, prompts of 32 tokens. \"near ties\": where they part, one side's lead is at most %.2f logits." % MARGIN, ""] + list(ids_table(found, len(res.of(found[0]["part"], found[0]["file"], 0, "ids")[-1]["prompts"][0]["ours"]["ids"])))
    if begun:
        lines += ["", "Start to first token, prompt of one token, warm file, median:", ""] + list(starts_table(begun))
    text = "\n".join(lines) + "\n"
    with open(os.path.join(run.work, "report.md"), "w") as f:
        f.write(text)
    with open(os.path.join(run.work, "report.json"), "w") as f:
        json.dump({"head": head, "systems": run.systems, "tests": rows, "ids": found, "starts": begun, "files": holds,
                   "pairs": [{"cell": c, "values": v} for c, v in res.cells.items()]}, f, indent=1)
    return text
