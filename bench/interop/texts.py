"""Generated strings for tokenizer comparison: all scripts, emoji, code, control characters. Same seed, same strings."""
import random
import unicodedata

RANGES = [
    (0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x5FF), (0x600, 0x6FF),
    (0x900, 0x97F), (0x980, 0x9FF), (0xE00, 0xE7F), (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF),
    (0x1200, 0x137F), (0x13A0, 0x13FF), (0x1780, 0x17FF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F),
    (0x20A0, 0x20CF), (0x2100, 0x218F), (0x2190, 0x23FF), (0x2460, 0x27BF), (0x3000, 0x30FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xA000, 0xA48F), (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xF900, 0xFAFF), (0xFB00, 0xFDFF),
    (0xFE00, 0xFE0F), (0xFE20, 0xFEFF), (0xFF00, 0xFFEF), (0x10000, 0x100FF), (0x10330, 0x1034A), (0x10400, 0x1044F),
    (0x13000, 0x1342F), (0x16A0, 0x16FF), (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0xE0020, 0xE007F),
]
EMOJI = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "❤️", "1️⃣", "🧑🏿‍🚀", "☃", "🫠"]
CODE = [
    "def f(x):\n    return x**2 - 1\n", "for (int i = 0; i < n; ++i) { a[i] += b[i]; }", "if err != nil {\n\treturn nil, err\n}\n",
    "SELECT * FROM t WHERE id=42;", "<div class=\"a\">it's &amp; they'll</div>", "{\"k\": [1, 2.5e-3, null, \"\\u00e9\"]}",
    "x = 0xDEADBEEF; y = 1_000_000", "\r\n\r\n\t\tfoo\r\n", "#include <stdio.h>", "$ make -j2 && ./a.out | grep -v '^#'",
]
WORDS = ("Once upon a time there was little girl named Lily who'd WE'LL I'M you're they've don't don’t HE'S ſ'ſ it'D "
         "12 345 6789 10000000 3.14159 1,234,567 ½ ² ٣٤٥ १२३ 五 Straße naïve façade Ærø İstanbul ǅ ﬁne").split()
SPACES = [" ", "  ", "   ", "\n", "\n\n", "\t", " \n", "\n ", "\r\n", "\u00a0", "\u3000", "\u2028", "\u200b", "\x85", "\x0b"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "<unk>", "<|begin_of_text|>", "<|eot_id|>",
           "<|im_start", "[CLS]", "[MASK]", "<pad>", "<tool_call>"]


def one(rnd):
    kind = rnd.randrange(8)
    parts = []
    for _ in range(rnd.randrange(0, 14)):
        if kind == 0:
            lo, hi = rnd.choice(RANGES)
            parts += [chr(rnd.randint(lo, hi)) for _ in range(rnd.randrange(1, 8))]
        elif kind == 1:
            parts += [rnd.choice(WORDS), rnd.choice(SPACES)]
        elif kind == 2:
            parts += [rnd.choice(CODE), rnd.choice(SPACES)]
        elif kind == 3:
            parts += [rnd.choice(EMOJI), rnd.choice(["", " ", "a"])]
        elif kind == 4:
            parts.append(chr(rnd.choice([rnd.randrange(0, 0x20), rnd.randrange(0x7F, 0xA0), 0x20, 0x61])))
        elif kind == 5:
            base = rnd.choice("aeiounAEO가한आ")
            parts.append(base + "".join(chr(rnd.randint(0x300, 0x36F)) for _ in range(rnd.randrange(0, 4))))
        elif kind == 6:
            parts += [rnd.choice(SPECIAL), rnd.choice(["", " ", "x", "\n"])]
        else:
            lo, hi = rnd.choice(RANGES)
            parts += [rnd.choice(WORDS), rnd.choice(SPACES) * rnd.randrange(0, 4), chr(rnd.randint(lo, hi)), rnd.choice(EMOJI + [""])]
    s = "".join(parts)
    if rnd.random() < 0.1:
        s = unicodedata.normalize(rnd.choice(["NFC", "NFD", "NFKC", "NFKD"]), s)
    return "".join(c for c in s if not 0xD800 <= ord(c) <= 0xDFFF)


def strings(n=3000, seed=7):
    rnd = random.Random(seed)
    fixed = ["", " ", "  ", "\n", "a", "\u0000", "\ufeffx", " a", "a ", "'s", "'S", "\u017f'\u017f", "\U0001375a", "e\u0301", "\u1112\u1161\u11ab"]
    return fixed + [one(rnd) for _ in range(n - len(fixed))]
