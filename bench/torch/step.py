"""The other side of bench/torch: Hugging Face's Qwen2 in PyTorch takes one training step for each line on stdin.

    step.py fp32|bf16 THREADS ROWS LENGTH sdpa|eager VOCAB HIDDEN FFN LAYERS HEADS KV_HEADS

As one would write it: AdamW in its fused form, the gradient's norm clipped to 1, bf16 by autocast with float32 weights.
"""
import json
import sys
import time

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM


def say(**kw):
    print(json.dumps(kw), flush=True)


def main():
    precision, threads, rows, length, attention = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
    vocab, hidden, ffn, layers, heads, kv = map(int, sys.argv[6:12])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    config = Qwen2Config(vocab_size=vocab, hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers, num_attention_heads=heads,
                         num_key_value_heads=kv, tie_word_embeddings=True, max_position_embeddings=length, use_cache=False,
                         attn_implementation=attention)
    model = Qwen2ForCausalLM(config).train()
    adam = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, fused=True)
    ids = torch.randint(vocab, (rows, length))
    say(seconds=0, parameters=sum(p.numel() for p in model.parameters()), torch=torch.__version__)
    for _ in sys.stdin:
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        value = loss.item()
        say(seconds=time.perf_counter() - start, loss=value)


main()
