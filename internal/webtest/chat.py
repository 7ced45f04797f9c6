"""Talking: the embedded model, streams, what can be done with messages and chats."""
import json

from harness import Site, ask, last, true, until

TITLE = "document.getElementById('title').textContent === '%s'"


def check_embedded_model(w):
    """From the printed address to an answer of the real model, which is there after a reload; others stay locked."""
    with w.real.page() as p:
        assert "token" not in p.url, p.url
        assert p.evaluate("document.cookie") == "", "the cookie can be read by scripts"
        true(p, "document.getElementById('model').value === 'embedded'")
        ask(p, "Once upon a time")
        text = last(p).inner_text()
        assert len(text) > 40, text
        assert "tokens/s" in p.inner_text(".last .stats")
        p.reload()
        p.wait_for_selector(".msg.assistant")
        assert last(p).inner_text() == text
        ask(p, "The dog ran")
        assert p.locator(".msg").count() == 4
    with w.real.page(address=w.real.address) as p:  # the address was used: this browser knows the page already
        p.wait_for_selector("#app:not([hidden])")
    cookies, w.real.cookies = w.real.cookies, [{"name": "x", "value": "y", "url": w.real.origin}]
    try:
        with w.real.page(address=w.real.address) as p:
            p.wait_for_selector("#locked:not([hidden])")
            assert "used before" in p.inner_text("#locked")
        with w.real.page() as p:
            p.wait_for_selector("#locked:not([hidden])")
            assert p.locator("#app").is_hidden()
            other = Site(w, w.real_socket)
            p.goto(other.origin)
            p.wait_for_selector("#locked:not([hidden])")
            p.evaluate("location.href = '%s'" % other.address)  # typed into the same tab
            p.wait_for_selector("#app:not([hidden])")
            p.wrong.clear()  # requests went to another address than this page's
    finally:
        w.real.cookies = cookies


def check_stream(w):
    """Text appears piece by piece, and is read aloud in whole sentences; thinking is folded."""
    words = ["This ", "is the first sentence of a longer answer. ", "And ", "then ", "comes ", "a second one, which is long as well. ", "End"]
    w.fake.answers["slow"] = [(0.08, "reasoning_content", "let me **think**")] + [(0.08, "content", t) for t in words]
    with w.scripted.page() as p:
        p.evaluate("""() => { window.seen = []; new MutationObserver(() => {
            const t = document.querySelector('.last .msg.assistant > .text')?.textContent ?? '';
            if (t !== seen.at(-1)) seen.push(t);
        }).observe(document.getElementById('messages'), {subtree: true, childList: true, characterData: true}); }""")
        ask(p, "slow", wait=False)
        p.wait_for_selector(".last .think:not([hidden])")
        assert p.locator("#scroll").get_attribute("aria-busy") == "true"
        p.wait_for_selector("#send:not([hidden])")
        seen = p.evaluate("seen")
        assert len(seen) >= 4 and seen[-1] == "".join(words), seen
        assert p.locator("#scroll").get_attribute("aria-busy") == "false"
        said = p.evaluate("[...document.querySelectorAll('#live p')].map((e) => e.textContent)")
        assert said[0] == "This is the first sentence of a longer answer." and said[-1] == "End of the answer.", said
        assert len(said) <= 4, said
        assert not p.locator(".think strong").is_visible()
        p.click(".think summary")
        assert p.inner_text(".think strong") == "think"


def check_stop(w):
    """Stop keeps what came, and the daemon learns of it at once; Escape stops too."""
    w.fake.say("long", *["word "] * 400, pause=0.02)
    with w.scripted.page() as p:
        for how in (lambda: p.click("#stop"), lambda: p.keyboard.press("Escape")):
            cut = w.fake.cut
            ask(p, "long", wait=False)
            true(p, "document.querySelector('.last .msg.assistant > .text')?.textContent.length > 30")
            how()
            p.wait_for_selector("#send:not([hidden])")
            assert p.inner_text(".last .note") == "Stopped.", p.inner_text(".last")
            assert 30 < len(last(p).inner_text()) < 1500
            until(lambda: w.fake.cut > cut, "the daemon goes on writing")


def check_again_edit(w):
    """Answer again replaces the answer, an edited message all that follows it."""
    with w.scripted.page() as p:
        ask(p, "one")
        ask(p, "two")
        w.fake.say("two", "another answer")
        p.click(".last [aria-label='Answer again']")
        true(p, "document.querySelector('.last .msg > .text').textContent === 'another answer'")
        assert p.locator(".msg").count() == 4
        assert [m["content"] for m in w.fake.bodies[-1]["messages"]] == ["one", "You said: one", "two"]
        p.locator("[aria-label='Edit and ask again']").first.click()
        p.locator(".edit textarea").press("Escape")
        assert p.locator(".msg").count() == 4
        p.locator("[aria-label='Edit and ask again']").first.click()
        assert p.evaluate("document.activeElement.value") == "one"
        p.keyboard.type(" more")
        p.keyboard.press("Enter")
        true(p, "document.querySelector('.last .msg > .text').textContent === 'You said: one more'")
        assert p.locator(".msg").count() == 2
        del w.fake.answers["two"]
        p.locator("[aria-label='Copy message']").first.click()
        assert p.evaluate("navigator.clipboard.readText()") == "one more"


def check_several(w):
    """Chats are apart, one goes on while another is read, and a deleted one is gone."""
    w.fake.say("wait", *["a "] * 40, pause=0.03)
    with w.scripted.page() as p:
        ask(p, "first chat")
        p.click("#new")
        ask(p, "wait", wait=False)
        p.wait_for_selector("#list li.running")
        p.click("#list a:has-text('first chat')")
        true(p, TITLE % "first chat")
        assert p.locator("#send").is_visible()
        p.wait_for_selector("#list li.running", state="detached")
        p.click("#list a:has-text('wait')")
        true(p, TITLE % "wait")
        assert last(p).inner_text() == "a " * 39 + "a", last(p).inner_text()
        p.go_back()
        true(p, TITLE % "first chat")
        p.reload()
        p.wait_for_selector("#list li")
        assert p.locator("#list li").count() == 2
        p.click("#list li:has-text('wait') [aria-label^='Delete']")
        p.click("#confirm button[value=no]")
        assert p.locator("#list li").count() == 2
        p.click("#list li:has-text('wait') [aria-label^='Delete']")
        p.click("#confirm button[value=yes]")
        true(p, "document.querySelectorAll('#list li').length === 1")
        p.reload()
        p.wait_for_selector("#list li")
        assert p.locator("#list li").count() == 1


def check_settings(w):
    """What is set is sent, what is empty is not, and a new chat begins with it."""
    with w.scripted.page() as p:
        ask(p, "plain")
        assert w.fake.bodies[-1].keys() == {"model", "messages", "stream", "stream_options"}, w.fake.bodies[-1]
        p.click("#open-settings")
        p.fill("#s-title", "A title")
        p.fill("#s-system", "Be short.")
        p.fill("#s-temperature", "0.4")
        p.fill("#s-top_k", "20")
        p.fill("#s-seed", "7")
        p.uncheck("#s-think")
        p.fill("#s-top_p", "3")  # not in 0 to 1
        p.keyboard.press("Escape")
        true(p, TITLE % "A title")
        p.select_option("#model", "large")
        ask(p, "set")
        b = w.fake.bodies[-1]
        assert b["messages"][0] == {"role": "system", "content": "Be short."} and b["messages"][-1]["content"] == "set", b
        assert (b["temperature"], b["top_k"], b["seed"], b["model"], b["reasoning_effort"]) == (0.4, 20, 7, "large", "none"), b
        assert "top_p" not in b, b
        p.click("#new")
        ask(p, "new")
        assert w.fake.bodies[-1]["temperature"] == 0.4 and w.fake.bodies[-1]["model"] == "large"
        p.select_option("#model", "small")
        p.reload()
        true(p, "document.getElementById('model').value === 'small'")
        p.click("#open-settings")
        p.click("#s-reset")
        p.keyboard.press("Escape")
        ask(p, "reset")
        assert "temperature" not in w.fake.bodies[-1] and w.fake.bodies[-1]["messages"][0]["role"] == "system"


def check_export(w):
    """Markdown and JSON files of a chat."""
    with w.scripted.page() as p:
        ask(p, "Export me")
        p.click("#open-settings")
        for button, name, test in (
                ("#export-md", "Export-me.md", lambda t: t == "# Export me\n\n## You\n\nExport me\n\n## small\n\nYou said: Export me\n"),
                ("#export-json", "Export-me.json", lambda t: json.loads(t)["messages"][1] == {"role": "assistant", "content": "You said: Export me"})):
            with p.expect_download() as d:
                p.click(button)
            assert d.value.suggested_filename == name
            with open(d.value.path(), encoding="utf-8") as f:
                text = f.read()
            assert test(text), text


def check_errors(w):
    """A busy daemon, an error in a stream, one that is cut off, no daemon at all: each says so, and can be tried again."""
    w.fake.say("much", "line\n\n" * 60)
    w.fake.answers.update({"busy": (503, "no room"), "breaks": [(0, "content", "half"), (0, "error", "a fault")], "cut": [(0, "content", "half"), (0, "cut", "")]})
    with w.scripted.page() as p:
        ask(p, "much")
        for text, want in (("busy", "Busy: no room. It may work in 7 s."), ("breaks", "Error: a fault"), ("cut", "Error: The answer was cut off")):
            ask(p, text)
            assert p.inner_text(".last .note") == want, p.inner_text(".last")
            assert p.evaluate("(() => { const s = document.getElementById('scroll'); return s.scrollHeight - s.scrollTop - s.clientHeight; })()") < 2, "the end is not in sight"
        w.fake.say("cut", "whole")
        p.click(".last [aria-label='Answer again']")
        true(p, "document.querySelector('.last .msg > .text').textContent === 'whole'")
    socket = w.real_socket
    w.daemon.terminate()
    w.daemon.wait(10)
    try:
        with w.real.page() as p:
            p.wait_for_selector("#banner:not([hidden])")
            assert "To start one: qwqd --socket " + socket in p.inner_text("#banner")
            ask(p, "anybody?")
            assert "The daemon does not answer" in p.inner_text(".last .note")
            w.start_daemon()
            p.wait_for_selector("#banner", state="hidden")
            assert p.input_value("#model") == "embedded"
    finally:
        if w.daemon.poll() is not None:
            w.start_daemon()
