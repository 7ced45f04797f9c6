"""Markdown to elements."""

RENDER = """async (text) => {
    const { parse, render } = await import('/markdown.js');
    const div = document.createElement('div');
    div.append(...parse(text).map(render));
    for (const b of div.querySelectorAll('button')) b.remove();
    for (const e of div.querySelectorAll('*')) for (const a of [...e.attributes]) if (!['href', 'start', 'class'].includes(a.name)) e.removeAttribute(a.name);
    return div.innerHTML;
}"""

CASES = {
    "plain": "<p>plain</p>",
    "a\nb": "<p>a<br>b</p>",
    "a\n\nb": "<p>a</p><p>b</p>",
    "# One\n### Three ": "<h3>One</h3><h5>Three</h5>",
    "#no": "<p>#no</p>",
    "*a* **b** ***c*** _d_ __e__ ~~f~~": "<p><em>a</em> <strong>b</strong> <strong><em>c</em></strong> <em>d</em> <strong>e</strong> <del>f</del></p>",
    "2 * 3 * 4, snake_case_name, **open": "<p>2 * 3 * 4, snake_case_name, **open</p>",
    "**bold with `a*b` and *em***": "<p><strong>bold with <code>a*b</code> and <em>em</em></strong></p>",
    "\\*not\\* `a\\*`": "<p>*not* <code>a\\*</code></p>",
    "``a`b`` `` ` ``": "<p><code>a`b</code> <code>`</code></p>",
    "[text *x*](https://a.example/b_(c) \"t\")": '<p><a href="https://a.example/b_(c)">text <em>x</em></a></p>',
    "see https://a.example/x?y=1. <http://b.example>": '<p>see <a href="https://a.example/x?y=1">https://a.example/x?y=1</a>. <a href="http://b.example/">http://b.example</a></p>',
    "![alt](https://a.example/i.png)": '<p><a href="https://a.example/i.png">image: alt</a></p>',
    "[no](javascript:x)": '<p><span class="nolink">no</span></p>',
    "[a [b](https://c.example)": '<p>[a <a href="https://c.example/">b</a></p>',
    "```go\nfunc f() {\n\t*p++\n}\n```\nafter": '<div class="code"><div class="code-head"><span>go</span></div><pre><code>func f() {\n\t*p++\n}</code></pre></div><p>after</p>',
    "```\nunfinished": '<div class="code"><div class="code-head"><span>code</span></div><pre><code>unfinished</code></pre></div>',
    "- a\n- b\n  - c\n    - d\n- e": "<ul><li>a</li><li>b<ul><li>c<ul><li>d</li></ul></li></ul></li><li>e</li></ul>",
    "1. a\n2. b\n\n3. c": "<ol><li><p>a</p></li><li><p>b</p></li><li><p>c</p></li></ol>",
    "4) d\n   more": '<ol start="4"><li>d<br>more</li></ol>',
    "1. a\n   ```\n   x\n   ```\n2. b": '<ol><li>a<div class="code"><div class="code-head"><span>code</span></div><pre><code>x</code></pre></div></li><li>b</li></ol>',
    "text\n- item": "<p>text</p><ul><li>item</li></ul>",
    "> q\n> > r": "<blockquote><p>q</p><blockquote><p>r</p></blockquote></blockquote>",
    "---": "<hr>",
    "| a | b \\| c |\n|:-:|--:|\n| 1 | **2** |\n| 3 |": '<div class="table"><table><thead><tr><th class="center">a</th><th class="right">b | c</th></tr></thead><tbody><tr><td class="center">1</td><td class="right"><strong>2</strong></td></tr><tr><td class="center">3</td><td class="right"></td></tr></tbody></table></div>',
    "a | b": "<p>a | b</p>",
    "<b>x</b> &amp;": "<p>&lt;b&gt;x&lt;/b&gt; &amp;amp;</p>",
}


def check_markdown(w):
    """Each construct gives its elements."""
    with w.scripted.page() as p:
        for text, want in CASES.items():
            got = p.evaluate(RENDER, text)
            assert got == want, "%r\n got %s\nwant %s" % (text, got, want)


def check_markdown_growth(w):
    """A text that grows by the character ends as the same elements as one that came at once."""
    text = "\n\n".join(CASES)
    with w.scripted.page() as p:
        same = p.evaluate("""async (text) => {
            const { View } = await import('/markdown.js');
            const make = () => document.createElement('div');
            const [a, b] = [make(), make()];
            const grown = new View(a);
            for (let i = 0; i <= text.length; i += 3) grown.update(text.slice(0, i));
            grown.update(text);
            new View(b).update(text);
            return a.isEqualNode(b);
        }""", text)
        assert same


def check_markdown_time(w):
    """No text of 60,000 characters takes long."""
    n = 60000
    hard = ["*a " * (n // 3), "**a " * (n // 4), "_a*" * (n // 3), "[" * n, "![" * (n // 2), "[a](" * (n // 4), "`" * n, "`a``" * (n // 4), ">" * n, "> " * (n // 2), "- " * (n // 2),
            "\n".join("  " * min(i, 40) + "- a" for i in range(n // 40)), "|" * n, "|-" * (n // 2), "a|\n-|\n" * (n // 6), "\\" * n, "<http://" * (n // 8), "http://a" * (n // 8), " " * n, "~~a" * (n // 3),
            "*" * n, "***a" * (n // 4), "#" * n, "# " * (n // 2), "1. " * (n // 3), "a\n" * (n // 2), "(" * n, "[a](" + "(" * n, "*`" * (n // 2)]
    with w.scripted.page() as p:
        slow = []
        for t in hard:
            took = p.evaluate("""async (t) => { const { parse, render } = await import('/markdown.js'); const began = performance.now(); parse(t).map(render); return performance.now() - began; }""", t)
            if took > 1500:
                slow.append((t[:12], round(took)))
        assert not slow, slow
