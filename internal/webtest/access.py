"""Keyboard, names, contrast, a phone's width, motion."""
from harness import ask, last, true

RICH = """# Growing tomatoes

They like **sun** and *warm* soil. In short:

1. Sow in March, on a window sill
2. Plant out after the last frost
   - 50 cm apart
   - deep, up to the first leaves

| Month | Work | Water |
| --- | --- | ---: |
| May | plant out | 2 l |
| July | tie up, pinch out | 4 l |

```python
def litres(plants, dry):
    return plants * (4 if dry else 2)  # a day
```

> Water in the morning, see `litres` or [the notes](https://garden.example/notes)."""

# Every text that can be seen: its contrast with what is behind it (WCAG 2.2, 1.4.3), and the edges of fields (1.4.11).
CONTRAST = """() => {
    const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
    const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
    const light = (c) => { const f = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }; return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
    const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
    const ground = (e) => { const list = []; for (; e; e = e.parentElement) list.push(parse(getComputedStyle(e).backgroundColor)); return list.reverse().reduce((b, c) => over(c, b), [255, 255, 255, 1]); };
    const bad = [];
    let seen = 0;
    for (const e of document.querySelectorAll('body *')) {
        const s = getComputedStyle(e);
        if (!e.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}) || e.closest('.hide, .skip, svg') || e.disabled) continue;
        const box = e.getBoundingClientRect();
        if (!box.width || !box.height) continue;
        const name = e.tagName + '.' + e.className + ' ' + (e.textContent || e.value || '').trim().slice(0, 30);
        const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || ['INPUT', 'TEXTAREA', 'SELECT'].includes(e.tagName);
        if (own) {
            seen++;
            const big = parseFloat(s.fontSize) >= 24 || (parseFloat(s.fontSize) >= 18.66 && s.fontWeight >= 600);
            const r = ratio(over(parse(s.color), ground(e)), ground(e));
            if (r < (big ? 3 : 4.5)) bad.push(`${name}: ${r.toFixed(2)}`);
        }
        if (e.placeholder && !e.value) {
            const r = ratio(parse(getComputedStyle(e, '::placeholder').color), ground(e));
            if (r < 4.5) bad.push(`${name} placeholder: ${r.toFixed(2)}`);
        }
        if (['INPUT', 'TEXTAREA', 'SELECT'].includes(e.tagName) && e.type !== 'checkbox') {
            const r = ratio(parse(s.borderTopColor), ground(e.parentElement));
            if (r < 3) bad.push(`${name} edge: ${r.toFixed(2)}`);
        }
        if (e.tagName === 'BUTTON' && !e.textContent.trim()) {
            const r = ratio(over(parse(s.color), ground(e)), ground(e));
            if (r < 3) bad.push(`${name} ${e.ariaLabel} icon: ${r.toFixed(2)}`);
        }
    }
    return {bad, seen};
}"""

# Names, ids, headings, landmarks, what is hidden but can be reached.
NAMES = """() => {
    const bad = [];
    const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
    for (const id of new Set(ids)) if (ids.filter((x) => x === id).length > 1) bad.push('id twice: ' + id);
    const visible = (e) => e.checkVisibility({checkVisibilityCSS: true});
    const label = (e) => e.ariaLabel || (e.getAttribute('aria-labelledby') ?? '').split(' ').map((i) => document.getElementById(i)?.textContent ?? '').join(' ').trim() ||
        [...(e.labels ?? [])].map((l) => l.textContent).join(' ').trim() || (['BUTTON', 'A', 'SUMMARY'].includes(e.tagName) ? e.textContent.trim() : '');
    for (const e of document.querySelectorAll('button, a, input, select, textarea, summary, [role=meter], dialog[open], nav, [role=region], [role=img]')) {
        if (visible(e) && !label(e)) bad.push('no name: ' + e.outerHTML.slice(0, 90));
    }
    for (const e of document.querySelectorAll('[aria-controls], [aria-describedby], [aria-labelledby], label[for]')) {
        for (const a of ['aria-controls', 'aria-describedby', 'aria-labelledby', 'for']) {
            for (const id of (e.getAttribute(a) ?? '').split(' ').filter(Boolean)) if (!document.getElementById(id)) bad.push(`${a} names ${id}, which is not there`);
        }
    }
    for (const e of document.querySelectorAll('svg')) if (e.ariaHidden !== 'true' && e.getAttribute('aria-hidden') !== 'true' && !e.hasAttribute('hidden') && e.getAttribute('role') !== 'img') bad.push('a picture that is neither named nor hidden');
    for (const e of document.querySelectorAll('[tabindex]')) if (e.tabIndex > 0) bad.push('tabindex above 0');
    let level = 0;
    for (const h of document.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
        if (!visible(h) || h.closest('.text')) continue;
        const n = Number(h.tagName[1]);
        if (n > level + 1) bad.push(`heading ${h.tagName} after level ${level}: ${h.textContent}`);
        level = n;
    }
    if (!document.documentElement.lang || !document.title) bad.push('no language or title');
    if ([...document.querySelectorAll('main')].filter(visible).length !== 1) bad.push('not one main');
    return bad;
}"""

# What is wider than the screen, and targets that are too small for a finger (WCAG 2.2, 2.5.8: 24 px).
FITS = """() => {
    const bad = [];
    const wide = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > wide) bad.push('the page is ' + document.documentElement.scrollWidth + ' wide');
    for (const e of document.querySelectorAll('body *')) {
        if (!e.checkVisibility({checkVisibilityCSS: true}) || e.closest('.hide, .skip, pre, .table, svg, #side:not(.side-open #side)')) continue;
        const b = e.getBoundingClientRect();
        if (b.width && (b.right > wide + 1 || b.left < -1)) bad.push(`${e.tagName}#${e.id}.${e.className} from ${Math.round(b.left)} to ${Math.round(b.right)}`);
        if (['BUTTON', 'SUMMARY', 'SELECT', 'INPUT', 'TEXTAREA'].includes(e.tagName) && e.type !== 'checkbox' && b.width && (b.width < 24 || b.height < 24)) bad.push(`${e.tagName} ${e.ariaLabel} has ${b.width} by ${b.height}`);
    }
    return bad;
}"""


def states(w, page):
    """Walks through what the page can show, and names each state."""
    yield "empty"
    w.fake.answers["rich"] = [(0, "reasoning_content", "First the season, then the water."), (0, "content", RICH)]
    w.fake.answers["fails"] = (500, "a fault")
    w.fake.say("slow", *["words "] * 60, pause=0.05)
    ask(page, "rich")
    page.click(".last summary")
    yield "answer"
    ask(page, "fails")
    yield "error"
    ask(page, "slow", wait=False)
    page.wait_for_selector("#stop:not([hidden])")
    yield "streaming"
    page.keyboard.press("Escape")
    page.wait_for_selector("#send:not([hidden])")
    page.locator("[aria-label='Edit and ask again']").last.click()
    yield "editing"
    page.keyboard.press("Escape")
    page.click("#open-settings")
    yield "settings"
    page.click("#s-delete")
    yield "confirm"
    page.keyboard.press("Escape")
    if page.locator("#open-side").is_visible():
        page.click("#open-side")
        page.wait_for_timeout(250)
        yield "list"
    page.click("#to-device")
    page.wait_for_selector(".model")
    yield "device"


def check_contrast(w):
    """Contrast in every state, light and dark, chosen by the system and by hand."""
    for scheme in ("light", "dark"):
        with w.scripted.page(color_scheme=scheme) as p:
            for state in states(w, p):
                r = p.evaluate(CONTRAST)
                assert not r["bad"] and r["seen"] > 5, (scheme, state, r)
    with w.scripted.page(color_scheme="dark") as p:
        p.click("#theme")
        assert "light" in p.inner_text("#theme") and p.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not p.evaluate(CONTRAST)["bad"]
        p.click("#theme")
        p.emulate_media(color_scheme="light")
        p.reload()
        assert "dark" in p.inner_text("#theme") and p.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        assert not p.evaluate(CONTRAST)["bad"]


def check_names(w):
    """Names, ids, headings in every state."""
    with w.scripted.page() as p:
        for state in states(w, p):
            bad = p.evaluate(NAMES)
            assert not bad, (state, bad)


def check_phone(w):
    """360 pixels: nothing is cut off or too small to touch, the list is a drawer."""
    with w.scripted.page(width=360, height=640, has_touch=True, is_mobile=True) as p:
        for state in states(w, p):
            bad = p.evaluate(FITS)
            assert not bad, (state, bad)
            bad = p.evaluate(NAMES)
            assert not bad, (state, bad)
    with w.scripted.page(width=360, height=640) as p:
        assert not p.locator("#side").is_visible()
        p.focus("#open-side")
        p.keyboard.press("Enter")
        p.wait_for_timeout(250)
        assert p.evaluate("document.activeElement.id") == "close-side" and p.evaluate("document.getElementById('page').inert")
        for _ in range(12):
            p.keyboard.press("Tab")
            assert not p.evaluate("document.getElementById('page').contains(document.activeElement)")
        p.keyboard.press("Escape")
        assert p.evaluate("document.activeElement.id") == "open-side" and not p.evaluate("document.getElementById('page').inert")
        p.wait_for_timeout(250)
        for _ in range(12):
            p.keyboard.press("Tab")
            assert not p.evaluate("document.getElementById('side').contains(document.activeElement)"), "the closed list can be reached"
        w.fake.say("wide", "```\n" + "x" * 400 + "\n```\n\n" + "y" * 400 + "\n\n|" + "a long head|" * 12 + "\n|" + "-|" * 12)
        ask(p, "wide")
        assert not p.evaluate(FITS)


def check_zoom(w):
    """1,280 pixels at 400 %, which is 320 by 256: everything can still be used (WCAG 2.2, 1.4.10)."""
    with w.scripted.page(width=320, height=256) as p:
        ask(p, "hello")
        assert not p.evaluate(FITS)
        assert p.locator("#prompt").is_visible() and p.evaluate("document.getElementById('scroll').clientHeight") > 40


def check_keyboard(w):
    """A whole conversation without a mouse."""
    with w.scripted.page() as p:
        def focus():
            return p.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.textContent")

        assert focus() == "prompt", focus()
        p.keyboard.type("line one")
        p.keyboard.press("Shift+Enter")
        p.keyboard.type("line two")
        p.keyboard.press("Enter")
        p.wait_for_selector(".last .msg.assistant .tools:not([hidden])")
        assert w.fake.bodies[-1]["messages"][-1]["content"] == "line one\nline two"
        assert focus() == "prompt"
        p.evaluate("document.activeElement.blur(); document.getElementById('skip').focus()")
        p.keyboard.press("Enter")
        assert focus() == "prompt", focus()
        order = []
        p.evaluate("document.getElementById('skip').focus()")
        for _ in range(30):
            p.keyboard.press("Tab")
            order.append(focus())
            if order[-1] == "prompt":
                break
            visible = p.evaluate("(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2; })()")
            assert visible, order
        want = ["new", "line one", "Delete “line one”", "to-device", "theme", "model", "open-settings", "scroll", "Copy message", "Edit and ask again", "Copy message", "Answer again", "prompt"]
        assert order == want, order
        p.evaluate("document.getElementById('open-settings').focus()")
        p.keyboard.press("Enter")
        for _ in range(25):
            p.keyboard.press("Tab")
            assert p.evaluate("document.activeElement === document.body || document.getElementById('settings').contains(document.activeElement)"), "focus leaves the dialog"
        p.keyboard.press("Escape")
        assert focus() == "open-settings", focus()
        p.locator(".last [aria-label='Answer again']").focus()
        p.keyboard.press("Enter")
        p.wait_for_selector("#send:not([hidden])")
        assert focus() == "prompt", focus()
        p.focus("#to-device")
        p.keyboard.press("Enter")
        p.wait_for_selector("#device:not([hidden])")
        p.focus("#list a")
        p.keyboard.press("Enter")
        p.wait_for_selector("#chat:not([hidden])")
        true(p, "document.getElementById('title').textContent === 'line one'")
        assert "You said" in last(p).inner_text()


def check_motion(w):
    """Nothing moves for those who asked for that."""
    w.fake.say("slow", *["words "] * 40, pause=0.05)
    moving = "document.getAnimations().filter((a) => a.playState === 'running').length"
    for motion in ("no-preference", "reduce"):
        with w.scripted.page(reduced_motion=motion) as p:
            w.fake.answers["slow"][0] = (2, "content", "a ")
            ask(p, "slow", wait=False)
            p.wait_for_selector(".busy:not([hidden])")
            n = p.evaluate(moving)
            assert (n > 0) == (motion == "no-preference"), (motion, n)
            true(p, "document.querySelector('.busy:not([hidden])').textContent === 'Waiting for the model, 1 s'")
            p.keyboard.press("Escape")
