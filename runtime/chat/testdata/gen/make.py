"""Writes testdata/python_unit.json and testdata/real_templates.json.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install -r requirements.txt
    /tmp/v/bin/python make.py FOLDER_OF_THE_FIVE_TEMPLATES
"""

import json
import pathlib
import sys

sys.dont_write_bytecode = True
import cases  # noqa: E402
import reference  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parent.parent


def expressions(block):
    for line in block.strip().splitlines():
        for e in line.split(" ; "):
            yield e.strip()


def dump(name, rows):
    text = "[\n" + ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "\n]\n"
    (OUT / name).write_text(text, encoding="utf-8")


def main():
    env = reference.environment()
    rows = []
    templates = ["{{ " + e + " }}" for e in expressions(cases.EXPRESSIONS)] + cases.STATEMENTS
    for t in templates:
        text, error = reference.render(env, t, cases.CTX)
        if error:
            print("unexpected:", t, error, file=sys.stderr)
        else:
            rows.append({"template": t, "want": text})
    for t in ["{{ " + e + " }}" for e in expressions(cases.FAILING)] + cases.BAD_SYNTAX:
        text, error = reference.render(env, t, cases.CTX)
        if error:
            rows.append({"template": t, "error": error})
        else:
            print("unexpected success:", t, repr(text), file=sys.stderr)
    ctx = {**cases.CTX, "d": [[k, v] for k, v in cases.CTX["d"].items()]}
    dump("python_unit.json", [{"context": ctx}] + rows)

    rows = []
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jinja")):
        for name, context in reference.conversations().items():
            text, error = reference.render(env, path.read_text(), context)
            rows.append({"template": path.name, "conversation": name, "context": context, "want": text, "error": error})
    dump("real_templates.json", rows)


if __name__ == "__main__":
    main()
