"""Runs the checks, each in a page of its own: python run.py ROOT [WORD]

Every function check_* of the modules is one. With SHOTS=FOLDER the screenshots are made, too.
"""
import os
import sys
import time
import traceback

import access
import chat
import device
import hostile
import shots
import text
from harness import World


def main():
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    modules = [chat, hostile, text, access, device] + ([shots] if os.environ.get("SHOTS") else [])
    checks = [f for m in modules for n, f in vars(m).items() if n.startswith("check_") and f.__module__ == m.__name__ and word in n]
    if not checks:
        raise SystemExit("no check has %r in its name" % word)
    failed = 0
    world = World(os.path.abspath(sys.argv[1]))
    with world.close:
        for f in checks:
            began = time.monotonic()
            try:
                f(world)
                verdict = "ok  "
            except Exception:
                traceback.print_exc()
                verdict = "FAIL"
                failed += 1
            print("%s %-24s %4.1f s  %s" % (verdict, f.__name__[6:], time.monotonic() - began, f.__doc__.splitlines()[0]), flush=True)
    print("%d passed, %d failed" % (len(checks) - failed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
