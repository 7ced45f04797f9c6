"""The page of models and machine."""
from fake import status
from harness import ask, true


def check_device(w):
    """What the daemon tells is shown, follows it, and says so when there is no news."""
    w.fake.status = status()
    try:
        with w.scripted.page() as p:
            p.click("#to-device")
            p.wait_for_selector(".model")
            text = p.inner_text("#device")
            for want in ("61.5 °C", "since it was started: under-voltage", "Raspberry Pi 5 Model B", "linux/arm64", "2400 MHz of 2400", "1 running, 2 waiting", "494.0 M", "531.1 MB", "32768 tokens", "25 % reused", "2.1 GB of 8.6 GB in use"):
                assert want in text, (want, text)
            assert p.get_attribute("[role=meter]", "aria-valuenow") == "25"
            w.fake.status = status(temperature=84.0, throttling={"now": "throttled", "since_boot": "throttled"})
            w.fake.status["models"][0]["generated_tokens"] = 1100
            w.fake.status["uptime_seconds"] += 1
            true(p, "document.querySelector('#device').innerText.includes('84.0 °C')")
            assert "slowed down now: throttled" in p.inner_text(".warn")
            speed = float(p.inner_text("#device .big").split()[0])
            assert 10 < speed < 200, speed
            assert "61.5 to 84.0 °C" in (p.locator("svg.curve").nth(1).get_attribute("aria-label") or "")
            w.fake.status = {"error": 1}
            p.wait_for_selector("#device > .note:not(:empty)")
            w.fake.status = status(temperature=None, throttling=None, memory={"total": 0, "available": 0, "cgroup_limit": 0, "free": 0, "process": 0}, clocks=[], board="")
            w.fake.status["models"] = []
            true(p, "document.querySelector('#device').innerText.includes('no sensor that can be read')")
            text = p.inner_text("#device")
            assert "not available" in text and "a model is loaded when it is first asked" in text and "NaN" not in text and "undefined" not in text, text
            assert p.locator("[role=meter]").is_hidden()
    finally:
        w.fake.status = status()


def check_device_real(w):
    """The real daemon's counts move with what is asked."""
    with w.real.page() as p:
        ask(p, "Once upon a time")
        p.click("#to-device")
        p.wait_for_selector(".model")
        text = p.inner_text("#device")
        assert "embedded" in text and "qwen2, Q8_0" in text and "NaN" not in text, text
        assert "GB in use" in text, text
        p.click("#list a")
        ask(p, "And then")
        p.go_back()
        p.wait_for_selector("#device:not([hidden])")
        true(p, "document.querySelector('#device').innerText.includes('% reused')")


def check_device_polls(w):
    """Nothing is asked while the page is not seen."""
    with w.scripted.page() as p:
        asked = []
        p.on("request", lambda r: asked.append(r.url) if r.url.endswith("/qwq/v1/status") else None)
        p.wait_for_timeout(1200)
        assert not asked, asked
        p.click("#to-device")
        p.wait_for_selector(".model")
        p.click("#new")
        n = len(asked)
        p.wait_for_timeout(1500)
        assert 1 <= n and len(asked) == n, (n, asked)
