#!/usr/bin/env python3
"""Renders every *.jinja in a folder with Python's jinja2 (transformers'
environment) and with runtime/chat, and prints where they differ.

    python3 bench/interop/chat.py FOLDER [--all] [--diff] [--only NAME]

A cell: = the same text, x different, E an error here only, + an error in
Python only, . an error in both. Ends with status 1 if any cell is x or E.
"""

import argparse
import difflib
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "runtime/chat/testdata/gen"))
import reference  # noqa: E402


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder", type=pathlib.Path)
    ap.add_argument("--all", action="store_true", help="more conversations than the six")
    ap.add_argument("--diff", action="store_true", help="show what differs")
    ap.add_argument("--only", default="", help="templates whose name contains this")
    opt = ap.parse_args()
    env = reference.environment()
    convs = reference.conversations()
    if opt.all:
        convs.update(reference.more_conversations())
    files = sorted(p for p in opt.folder.glob("*.jinja") if opt.only in p.name)
    jobs = [(f, name, ctx) for f in files for name, ctx in convs.items()]
    lines = "".join(json.dumps({"template": str(f), "context": ctx, "now": reference.NOW.isoformat() + "Z"}) + "\n" for f, _, ctx in jobs)
    got = subprocess.run(["go", "run", "./bench/interop/chatrender"], input=lines, capture_output=True, text=True, cwd=ROOT)
    if got.returncode != 0:
        sys.exit(got.stderr)
    answers = [json.loads(line) for line in got.stdout.splitlines()]

    cells, notes, times = {}, [], []
    for (f, name, ctx), ans in zip(jobs, answers, strict=True):
        want, problem = reference.render(env, f.read_text(), ctx)
        have = ans.get("out")
        mark = "=" if have == want and want is not None else "x"
        if want is None:
            mark = "." if have is None else "+"
        elif have is None:
            mark = "E"
        cells[f.name, name] = mark
        if have is not None:
            times.append((ans["ns"], f.name, name))
        if mark in "xE+" or opt.diff and mark == ".":
            notes.append((f.name, name, mark, problem, ans.get("error"), want, have))

    width = max(len(f.name) for f in files) + 1
    names = list(convs)
    print(" " * width + " ".join(n[:8].rjust(8) for n in names))
    for f in files:
        print(f.name.ljust(width) + " ".join(cells[f.name, n].rjust(8) for n in names))
    count = {m: sum(c == m for c in cells.values()) for m in "=xE+."}
    whole = sum(all(cells[f.name, n] in "=." for n in names) for f in files)
    renderable = count["="] + count["x"] + count["E"]
    print(f"{count['=']} of {renderable} renderable cases the same; {whole} of {len(files)} templates fully; {count}")
    times.sort()
    if times:
        slow = ", ".join(f"{t / 1e3:.0f} us {f} {n}" for t, f, n in times[:-4:-1])
        print(f"render: median {times[len(times) // 2][0] / 1e3:.0f} us; slowest: {slow}")
    for name, conv, mark, problem, error, want, have in notes:
        print(f"-- {mark} {name} {conv}: python: {problem or 'ok'}; here: {error or 'ok'}")
        if opt.diff and want is not None and have is not None:
            sys.stdout.writelines(line.rstrip("\n") + "\n" for line in difflib.unified_diff(want.splitlines(), have.splitlines(), "python", "here", n=1, lineterm=""))
    sys.exit(1 if count["x"] or count["E"] else 0)


if __name__ == "__main__":
    main()
