"""llama.cpp's side of bench/peers, through llama-cpp-python's low-level functions: keeps a model loaded and answers each
command on stdin with one line of JSON on stdout. The commands are those of ours/main.go; "quantize SRC DST TYPE" and "system"
(what the library was built with) are this side's alone.
"""
import ctypes
import json
import sys
import time

import llama_cpp as L
import numpy as np


@L.llama_log_callback
def silent(level, text, data):
    pass


class Worker:
    def __init__(self):
        self.model = self.ctx = None
        self.depth_n = 0

    def open(self, path, threads, context, batch):
        """The defaults of the library but for what both sides fix: threads, batch, context; the KV cache is F16 by default."""
        if self.ctx:
            L.llama_free(self.ctx)
            L.llama_model_free(self.model)
        start = time.perf_counter()
        mp = L.llama_model_default_params()
        mp.n_gpu_layers = 0
        self.model = L.llama_model_load_from_file(path.encode(), mp)
        if not self.model:
            raise OSError("llama.cpp does not load " + path)
        cp = L.llama_context_default_params()
        assert cp.type_k == cp.type_v == 1, "the KV cache is no longer F16 by default"
        cp.n_ctx = int(context)
        cp.n_batch = cp.n_ubatch = self.batch = int(batch)
        cp.n_threads = cp.n_threads_batch = int(threads)
        self.ctx = L.llama_init_from_model(self.model, cp)
        self.memory = L.llama_get_memory(self.ctx)
        self.vocab = L.llama_vocab_n_tokens(L.llama_model_get_vocab(self.model))
        self.tokens = L.llama_batch_init(self.batch, 0, 1)
        self.depth_n = 0
        return {"seconds": time.perf_counter() - start}

    def prompt(self, n):
        return [(7919 * i + 3) % self.vocab for i in range(n)]

    def decode(self, ids, start=0):
        """Logits of the last position only."""
        b = self.tokens
        for at in range(0, len(ids), self.batch):
            part = ids[at:at + self.batch]
            b.n_tokens = len(part)
            for i, t in enumerate(part):
                b.token[i], b.pos[i], b.n_seq_id[i], b.seq_id[i][0] = t, start + at + i, 1, 0
                b.logits[i] = at + i == len(ids) - 1
            if L.llama_decode(self.ctx, b):
                raise RuntimeError("llama_decode failed at position %d" % (start + at))
        L.llama_synchronize(self.ctx)

    def clear(self, keep=0):
        if keep == 0:
            L.llama_memory_clear(self.memory, True)
        elif not L.llama_memory_seq_rm(self.memory, 0, keep, -1):
            raise RuntimeError("llama.cpp does not truncate its KV cache")

    def pp(self, n):
        ids = self.prompt(int(n))
        self.clear()
        self.depth_n = 0
        start = time.perf_counter()
        self.decode(ids)
        return {"seconds": time.perf_counter() - start}

    def depth(self, n):
        self.clear()
        self.depth_n = int(n)
        if self.depth_n:
            self.decode(self.prompt(self.depth_n))
        return {}

    def tg(self, n):
        """No sampling: the ids are given, as in llama.cpp's own benchmark."""
        self.clear(self.depth_n)
        ids = self.prompt(self.depth_n + int(n))[self.depth_n:]
        start = time.perf_counter()
        for i, t in enumerate(ids):
            self.decode([t], self.depth_n + i)
        return {"seconds": time.perf_counter() - start}

    def greedy(self, n, ids):
        ids = [int(i) for i in ids.split(",")]
        self.clear()
        self.depth_n = 0
        out, margins, at = [], [], 0
        for _ in range(int(n)):
            self.decode(ids, at)
            at += len(ids)
            x = np.ctypeslib.as_array(L.llama_get_logits_ith(self.ctx, -1), (self.vocab,))
            first = int(x.argmax())
            margins.append(float(x[first] - np.partition(x, -2)[-2]))
            out.append(first)
            ids = [first]
        return {"ids": out, "margins": margins}

    def quantize(self, src, dst, kind):
        p = L.llama_model_quantize_default_params()
        p.ftype = {"q4_0": 2, "q4_k_m": 15}[kind]
        if L.llama_model_quantize(src.encode(), dst.encode(), ctypes.byref(p)):
            raise OSError("llama_model_quantize failed on " + src)
        return {}

    def system(self):
        return {"system": L.llama_print_system_info().decode().strip()}


def main():
    L.llama_log_set(silent, None)
    L.llama_backend_init()
    w = Worker()
    for line in sys.stdin:
        name, *args = line.split()
        start = time.perf_counter()
        try:
            a = getattr(w, name)(*args)
            a.setdefault("seconds", time.perf_counter() - start)
        except Exception as e:  # the harness decides what an error means
            a = {"error": "%s: %s" % (type(e).__name__, e)}
        print(json.dumps(a), flush=True)


main()
