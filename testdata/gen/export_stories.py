"""Write testdata/tinystories-qwen2 from a checkpoint of train_stories.py: an HF Qwen2 folder.

    python export_stories.py --work WORK --out testdata/tinystories-qwen2
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

VERSION = "4.51.3"  # the transformers that check_stories.py loads the folder with

# Qwen2's own template.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def tensors(state, c):
    """HF names, BF16, the fused qkv and gate_up split; the tied lm_head is left out."""
    out = {"model.embed_tokens.weight": state["emb.weight"], "model.norm.weight": state["norm.weight"]}
    q, kv = c["heads"] * c["head_dim"], c["kv_heads"] * c["head_dim"]
    for i in range(c["layers"]):
        a, b = f"blocks.{i}.", f"model.layers.{i}."
        out[b + "input_layernorm.weight"] = state[a + "norm1.weight"]
        out[b + "post_attention_layernorm.weight"] = state[a + "norm2.weight"]
        for kind in ("weight", "bias"):
            parts = state[a + "qkv." + kind].split((q, kv, kv))
            for name, part in zip("qkv", parts):
                out[f"{b}self_attn.{name}_proj.{kind}"] = part
        out[b + "self_attn.o_proj.weight"] = state[a + "o.weight"]
        gate, up = state[a + "gate_up.weight"].chunk(2)
        out[b + "mlp.gate_proj.weight"], out[b + "mlp.up_proj.weight"] = gate, up
        out[b + "mlp.down_proj.weight"] = state[a + "down.weight"]
    return {k: v.to(torch.bfloat16).contiguous().clone() for k, v in out.items()}


def config(c, end):
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": end,
        "eos_token_id": end,
        "hidden_act": "silu",
        "hidden_size": c["dim"],
        "initializer_range": 0.02,
        "intermediate_size": c["hidden"],
        "max_position_embeddings": c["positions"],
        "max_window_layers": c["layers"],
        "model_type": "qwen2",
        "num_attention_heads": c["heads"],
        "num_hidden_layers": c["layers"],
        "num_key_value_heads": c["kv_heads"],
        "rms_norm_eps": c["eps"],
        "rope_scaling": None,
        "rope_theta": c["theta"],
        "sliding_window": None,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "transformers_version": VERSION,
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": c["vocab"],
    }


def tokenizer_files(source, c):
    """The files of a Qwen2Tokenizer, by name, from tokenizer.json as `tokenizers` wrote it."""
    tok = json.loads(source)
    tok["model"]["continuing_subword_prefix"] = tok["model"]["end_of_word_suffix"] = ""  # as Qwen2's
    ids = {t["content"]: t["id"] for t in tok["added_tokens"]}
    end, turn = ids["<|endoftext|>"], ids["<|im_end|>"]
    flags = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    extra = ["<|im_start|>", "<|im_end|>"]
    merges = [m if isinstance(m, str) else " ".join(m) for m in tok["model"]["merges"]]
    dump = lambda v: json.dumps(v, ensure_ascii=False, indent=2) + "\n"
    return end, {
        "tokenizer.json": dump(tok),
        "vocab.json": json.dumps(tok["model"]["vocab"], ensure_ascii=False),
        "merges.txt": "#version: 0.2\n" + "\n".join(merges) + "\n",
        "tokenizer_config.json": dump(
            {
                "add_bos_token": False,
                "add_prefix_space": False,
                "added_tokens_decoder": {str(t["id"]): {k: t[k] for k in flags} for t in tok["added_tokens"]},
                "additional_special_tokens": extra,
                "bos_token": None,
                "chat_template": CHAT_TEMPLATE,
                "clean_up_tokenization_spaces": False,
                "eos_token": "<|endoftext|>",
                "errors": "replace",
                "model_max_length": c["positions"],
                "pad_token": "<|endoftext|>",
                "split_special_tokens": False,
                "tokenizer_class": "Qwen2Tokenizer",
                "unk_token": None,
            }
        ),
        "special_tokens_map.json": dump(
            {"additional_special_tokens": extra, "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
        ),
        "generation_config.json": dump(
            {
                "bos_token_id": end,
                "do_sample": True,
                "eos_token_id": [end, turn],
                "pad_token_id": end,
                "temperature": 0.8,
                "top_p": 0.95,
                "transformers_version": VERSION,
            }
        ),
    }


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--work", required=True)
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    work, out = Path(args.work), Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    s = torch.load(work / "ckpt.pt", weights_only=True)
    end, files = tokenizer_files((work / "tokenizer.json").read_text(), s["config"])
    for name, text in files.items():
        (out / name).write_text(text)
    (out / "config.json").write_text(json.dumps(config(s["config"], end), indent=2) + "\n")
    save_file(tensors(s["model"], s["config"]), out / "model.safetensors", metadata={"format": "pt"})
    print(f"step {s['step']}, {s['tokens']} tokens, {s['seconds']:.0f} s")


if __name__ == "__main__":
    main()
