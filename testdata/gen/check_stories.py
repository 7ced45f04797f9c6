"""Check an exported story model and write its expected.json and samples.

    python check_stories.py --model testdata/tinystories-qwen2 --work WORK

Runs the folder with plain numpy in float32, written apart from the training code, and compares the
logits with train_stories.py on the same BF16 weights and with transformers where it is installed.
Writes MODEL/expected.json (greedy ids with the margin of each step) and prints samples.
"""

import argparse
import json
import struct
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

PROMPTS = ["Once upon a time", "The dog", "Lily had"]
NEW = 48


def read_safetensors(path):
    """All tensors as float32; BF16 is the upper half of a float32."""
    raw = Path(path).read_bytes()
    n = struct.unpack("<Q", raw[:8])[0]
    out = {}
    for name, t in json.loads(raw[8 : 8 + n]).items():
        if name == "__metadata__":
            continue
        assert t["dtype"] == "BF16", t
        a, b = t["data_offsets"]
        bits = np.frombuffer(raw[8 + n + a : 8 + n + b], "<u2").astype(np.uint32) << 16
        out[name] = bits.view(np.float32).reshape(t["shape"])
    return out


class Numpy:
    def __init__(self, folder):
        self.c = json.loads((Path(folder) / "config.json").read_text())
        self.w = read_safetensors(Path(folder) / "model.safetensors")

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self.c["rms_norm_eps"])) * self.w[name]

    def logits(self, ids):
        """ids: [time] -> [time, vocab], float32, everything recomputed."""
        c, w, t = self.c, self.w, len(ids)
        heads, kv, dim = c["num_attention_heads"], c["num_key_value_heads"], c["hidden_size"]
        hd = dim // heads
        angle = np.arange(t)[:, None] * c["rope_theta"] ** (-np.arange(0, hd, 2) / hd)  # [time, hd/2]
        cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)

        def rope(v):  # [time, hd]
            a, b = v[:, : hd // 2], v[:, hd // 2 :]
            return np.concatenate([a * cos - b * sin, b * cos + a * sin], 1)

        x = w["model.embed_tokens.weight"][ids]
        for i in range(c["num_hidden_layers"]):
            p = f"model.layers.{i}."
            h = self.norm(x, p + "input_layernorm.weight")
            q, k, v = (h @ w[f"{p}self_attn.{n}_proj.weight"].T + w[f"{p}self_attn.{n}_proj.bias"] for n in "qkv")
            out = []
            for j in range(heads):
                g = j // (heads // kv)
                qj, kj = rope(q[:, j * hd : (j + 1) * hd]), rope(k[:, g * hd : (g + 1) * hd])
                s = qj @ kj.T / np.float32(hd) ** 0.5
                s = np.where(np.tri(t, dtype=bool), s, -np.inf)
                s = np.exp(s - s.max(1, keepdims=True))
                out.append(s / s.sum(1, keepdims=True) @ v[:, g * hd : (g + 1) * hd])
            x = x + np.concatenate(out, 1) @ w[p + "self_attn.o_proj.weight"].T
            h = self.norm(x, p + "post_attention_layernorm.weight")
            gate = h @ w[p + "mlp.gate_proj.weight"].T
            h = gate / (1 + np.exp(-gate)) * (h @ w[p + "mlp.up_proj.weight"].T)
            x = x + h @ w[p + "mlp.down_proj.weight"].T
        return self.norm(x, "model.norm.weight") @ w["model.embed_tokens.weight"].T


def train_logits(folder, work, ids):
    """The training code's float32 logits with the checkpoint rounded to BF16."""
    import torch

    from train_stories import Config, Model

    s = torch.load(Path(work) / "ckpt.pt", weights_only=True)
    m = Model(Config(**s["config"]))
    m.load_state_dict({k: v.to(torch.bfloat16).float() for k, v in s["model"].items()})
    with torch.no_grad():
        return m(torch.tensor([ids]))[0].numpy()


def hf_logits(folder, ids):
    import torch
    from transformers import AutoModelForCausalLM

    m = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        return m(torch.tensor([ids])).logits[0].numpy()


def sample(model, ids, n, temp, top_p, rng, ends):
    ids = list(ids)
    for _ in range(n):
        z = model.logits(ids)[-1].astype(np.float64) / temp
        p = np.exp(z - z.max())
        p /= p.sum()
        order = np.argsort(-p)
        keep = order[: int(np.searchsorted(np.cumsum(p[order]), top_p)) + 1]
        ids.append(int(rng.choice(keep, p=p[keep] / p[keep].sum())))
        if ids[-1] in ends:
            break
    return ids


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--model", required=True)
    ap.add_argument("--work", default="", help="compare with WORK/ckpt.pt")
    ap.add_argument("--hf", action="store_true", help="compare with transformers")
    ap.add_argument("--texts", nargs="*", default=[], help="files for the tokenizer round trip")
    args = ap.parse_args()
    model, folder = Numpy(args.model), Path(args.model)
    tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
    end, turn = tok.token_to_id("<|endoftext|>"), tok.token_to_id("<|im_end|>")
    ids = tok.encode("Once upon a time, there was a little girl named Lily. She had 12 red balls.\n").ids
    ours = model.logits(ids)
    if args.work:
        print("largest difference from the training code:", float(np.abs(ours - train_logits(args.model, args.work, ids)).max()))
    if args.hf:
        from transformers import AutoTokenizer

        print("largest difference from transformers:", float(np.abs(ours - hf_logits(args.model, ids)).max()))
        slow = AutoTokenizer.from_pretrained(args.model, use_fast=False)
        fast = AutoTokenizer.from_pretrained(args.model)
        for path in args.texts:
            text = Path(path).read_text()[:20000]
            assert slow.encode(text) == fast.encode(text) == tok.encode(text).ids, path
        print(type(slow).__name__, type(fast).__name__, "agree;", repr(fast.apply_chat_template(
            [{"role": "user", "content": "Tell me a story."}], tokenize=False, add_generation_prompt=True)))
    for path in args.texts:
        text = Path(path).read_text()[:200000]
        e = tok.encode(text).ids
        want = tok.normalizer.normalize_str(text)
        assert tok.decode(e, skip_special_tokens=False) == want, path
        print(f"{path}: {len(text.encode()) / len(e):.2f} bytes a token, round trip exact")

    cases = []
    for prompt in PROMPTS:
        prompt_ids = tok.encode(prompt).ids
        ids, margins = list(prompt_ids), []
        for _ in range(NEW):
            z = model.logits(ids)[-1]
            if not margins:
                top = [[int(i), round(float(z[i]), 4)] for i in np.argsort(-z)[:5]]
            a, b = np.sort(z)[-1:-3:-1]
            margins.append(round(float(a - b), 4))
            ids.append(int(z.argmax()))
            if ids[-1] in (end, turn):
                break
        cases.append(
            {
                "prompt": prompt,
                "prompt_ids": prompt_ids,
                "first_logits": top,
                "ids": ids[len(prompt_ids) :],
                "margins": margins,
                "text": tok.decode(ids, skip_special_tokens=False),
            }
        )
    note = "greedy, BF16 weights, float32 arithmetic and KV cache; margins[i] is logit(ids[i]) less the second best"
    lines = ",\n".join(json.dumps(c) for c in cases)
    (folder / "expected.json").write_text(f'{{"note": {json.dumps(note)}, "cases": [\n{lines}\n]}}\n')

    for c in cases:
        print(f"\n## greedy: {c['text']!r}, smallest margin {min(c['margins'])}")
    for i, prompt in enumerate(PROMPTS):
        out = sample(model, tok.encode(prompt).ids, 160, 0.8, 0.95, np.random.default_rng(i + 1), (end, turn))
        print(f"\n## temperature 0.8, top-p 0.95, seed {i + 1}\n{tok.decode(out, skip_special_tokens=False)}")
    chat = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nTell me a story about Tom.<|im_end|>\n<|im_start|>assistant\n"
    out = sample(model, tok.encode(chat).ids, 200, 0.8, 0.95, np.random.default_rng(4), (end, turn))
    print(f"\n## ChatML, seed 4\n{tok.decode(out, skip_special_tokens=False)}")


if __name__ == "__main__":
    main()
