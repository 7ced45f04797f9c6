"""Results as they come, one JSON line each, so that a run can be stopped and gone on with."""
import json
import os
import sys

LIMIT = 0.3  # cores that others may use during a measurement


class Results:
    def __init__(self, path, stamp):
        """Takes up the file where it was written with the same stamp, else begins it anew."""
        self.path, self.cells = path, {}
        lines = []
        if os.path.exists(path):
            with open(path) as f:
                lines = [json.loads(line) for line in f if line.endswith("\n")]
        if not lines or lines[0] != {"stamp": stamp}:
            if lines:
                print("bench-peers: our program or the harness changed: starting anew", file=sys.stderr)
            with open(path, "w") as f:
                f.write(json.dumps({"stamp": stamp}) + "\n")
            lines = []
        for r in lines[1:]:
            self.cells.setdefault(tuple(r["cell"]), []).append(r["value"])

    def add(self, part, file, threads, test, value):
        line = json.dumps({"cell": (part, file, threads, test), "value": value})
        self.cells.setdefault((part, file, threads, test), []).append(json.loads(line)["value"])  # as it is read again: keys are strings
        with open(self.path, "a") as f:
            f.write(line + "\n")

    def of(self, part, file, threads, test):
        return self.cells.get((part, file, threads, test), [])

    def good(self, part, file, threads, test):
        """The pairs that nobody disturbed."""
        return [p for p in self.of(part, file, threads, test) if max(p[s]["others"] for s in ("ours", "peer")) <= LIMIT]

    def missing(self, part, file, threads, test, want):
        """Pairs that are still wanted; none after three times as many tries, on a machine that is never quiet."""
        if len(self.of(part, file, threads, test)) >= 3 * want:
            return 0
        return max(0, want - len(self.good(part, file, threads, test)))

    def took(self, part, file, threads, test):
        """How long a pair took the last time, 0 before the first."""
        p = self.of(part, file, threads, test)
        return p[-1]["took"] if p else 0
