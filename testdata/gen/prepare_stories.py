"""Make the tokenizer and the packed training rows of testdata/tinystories-qwen2.

    python prepare_stories.py --data ../shared/data --work WORK --stories WORK/s1.txt WORK/s2.txt

Writes WORK/tokenizer.json, WORK/train.npy and WORK/heldout.npy (uint16, [rows, 513]:
a row is whole documents, each closed by <|endoftext|>, then padding PAD) and WORK/prepare.json (counts).
"""

import argparse
import json
import random
import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

# Qwen2's split expression, as in its tokenizer.json: one digit at a time.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
VOCAB = 2048  # with the specials
ROW = 513  # 512 inputs and the target of the last
PAD = 65535
HELD_OUT = 100  # one story in so many

ASKS = ["Tell me a story.", "Tell me a story about {}.", "Write a short story about {}.", "Can you tell me about {}?"]
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


def good(story):
    """Reject the sampler's loops: a doubled word, or sentences that come again and again."""
    for m in re.finditer(r"\b(\w+) \1\b", story):
        if m.group(1).lower() not in ("very", "so", "had", "that", "no", "bye"):
            return False
    sentences = [s.strip() for s in re.split(r"[.!?\n\"]+", story)]
    counts = Counter(s for s in sentences if len(s) >= 12)
    return not counts or (max(counts.values()) <= 2 and len(counts) >= 0.85 * sum(counts.values()))


def stories(paths, rng):
    seen, out, read = set(), [], 0
    for path in paths:
        for s in Path(path).read_text().split("\n<|endoftext|>\n")[:-1]:  # the last may be cut
            s = "\n".join(line.strip() for line in s.strip().splitlines())
            if not s:
                continue
            read += 1
            if s in seen or not good(s):
                continue
            seen.add(s)
            out.append(s)
    rng.shuffle(out)
    return out, read


def as_chat(story, rng):
    """The story as the answer to a ChatML question, so that the markers have trained rows."""
    names = Counter(re.findall(r"(?<=[a-z,] )([A-Z][a-z]+)\b", story))
    name = names.most_common(1)[0][0] if names else None
    ask = rng.choice(ASKS[1:]).format(name) if name and rng.random() < 0.8 else ASKS[0]
    return f"{SYSTEM}<|im_start|>user\n{ask}<|im_end|>\n<|im_start|>assistant\n{story}<|im_end|>\n"


def books(data):
    """Gutenberg English in pieces of about 1,200 characters, lines unwrapped, licence text cut off."""
    out = []
    for name in ("Mark.Twain-Tom.Sawyer.txt", "botchan.txt"):
        text = (Path(data) / "text/gutenberg-aozora" / name).read_text(encoding="utf-8-sig").replace("\r", "")
        start = re.search(r"\*\*\* START OF .*\n|HARTFORD, 1876\.", text)
        end = re.search(r"\*\*\* END OF |End of (the )?Project Gutenberg", text)
        text = text[start.end() if start else 0 : end.start() if end else len(text)]
        piece = ""
        for p in re.split(r"\n\s*\n", text):  # botchan.txt has no blank lines: one paragraph
            for n, s in enumerate(re.split(r"(?<=[.!?][ \"'])", re.sub(r"\s+", " ", p).strip() + " ")):
                if piece and len(piece) + len(s) > 1200:
                    out.append(piece.strip())
                    piece = ""
                piece += s if n or not piece else "\n" + s
            piece = piece.rstrip()
        out.append(piece)
    return [p for p in out if len(p) >= 40]


def questions(data):
    lines = (Path(data) / "text/gsm8k/train.jsonl").read_text().splitlines()
    return [re.sub(r"\s+", " ", json.loads(line)["question"]).strip() for line in lines]


def train_tokenizer(texts):
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tok.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tok.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB - len(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tok.train_from_iterator(texts, trainer)
    tok.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in SPECIALS])
    assert tok.get_vocab_size() == VOCAB
    return tok


def encode(tok, texts):
    end = tok.token_to_id("<|endoftext|>")
    out = []
    for i in range(0, len(texts), 2000):
        out += [np.array(e.ids + [end], np.uint16) for e in tok.encode_batch(texts[i : i + 2000])]
    return out


def pack(docs, rng):
    """Fill rows with whole documents: the longest left, then the longest that fits; shuffled."""
    by_len = [[] for _ in range(ROW + 1)]
    for d in docs:
        by_len[min(len(d), ROW)].append(d[:ROW])
    for group in by_len:
        rng.shuffle(group)
    rows, top = [], ROW
    while top:
        if not by_len[top]:
            top -= 1
            continue
        row, n = [by_len[top].pop()], ROW - top
        while n := next((i for i in range(n, 0, -1) if by_len[i]), 0):
            row.append(by_len[n].pop())
            n = ROW - sum(map(len, row))
        rng.shuffle(row)
        row = np.concatenate(row)
        rows.append(np.concatenate([row, np.full(ROW - len(row), PAD, np.uint16)]))
    rng.shuffle(rows)
    return np.stack(rows)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--work", required=True)
    ap.add_argument("--stories", nargs="+", required=True)
    ap.add_argument("--chat", type=float, default=0.05, help="share of the stories put into ChatML")
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    t0, rng, work = time.time(), random.Random(args.seed), Path(args.work)

    tales, read = stories(args.stories, rng)
    held, tales = tales[: len(tales) // HELD_OUT], tales[len(tales) // HELD_OUT :]
    other = questions(args.data) + books(args.data)
    print(f"{read} stories read, {len(tales) + len(held)} kept, {len(other)} other texts, {time.time() - t0:.0f} s", flush=True)

    tok = train_tokenizer(tales[:30000] + other)
    tok.save(str(work / "tokenizer.json"))
    print(f"tokenizer, {time.time() - t0:.0f} s", flush=True)

    tales = [as_chat(s, rng) if rng.random() < args.chat else s for s in tales]
    a, b, h = encode(tok, tales), encode(tok, other), encode(tok, held)
    train, heldout = pack(a + b, rng), pack(h, rng)
    np.save(work / "train.npy", train)
    np.save(work / "heldout.npy", heldout)
    counts = {
        "stories_read": read,
        "stories_kept": len(tales) + len(held),
        "story_bytes": sum(map(len, tales)),
        "story_tokens": sum(map(len, a)),
        "other_tokens": sum(map(len, b)),
        "heldout_tokens": sum(map(len, h)),
        "train_rows": len(train),
        "padding_share": round(float((train == PAD).mean()), 4),
        "longest_document": max(map(len, a + b)),
        "seed": args.seed,
    }
    counts["other_share"] = round(counts["other_tokens"] / (counts["story_tokens"] + counts["other_tokens"]), 4)
    (work / "prepare.json").write_text(json.dumps(counts, indent=2) + "\n")
    print(json.dumps(counts), f"{time.time() - t0:.0f} s")


if __name__ == "__main__":
    main()
