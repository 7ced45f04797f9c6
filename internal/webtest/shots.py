"""The screenshots under docs/: of the scripted daemon, whose machine has sensors."""
import os

from access import RICH
from fake import status
from harness import ask


def check_shots(w):
    """Pictures of a chat and of the device, on a screen and on a phone."""
    folder = os.environ["SHOTS"]
    w.fake.answers["How do I grow tomatoes?"] = [(0, "reasoning_content", "First the season, then the water. "), (0.3, "content", RICH)]
    for i, text in enumerate(["A name for a black cat", "Explain page tables to a child"]):
        w.fake.say(text, "Ink.")
    for name, size, scheme in (("desktop", (1200, 800), "light"), ("phone", (360, 720), "dark")):
        with w.scripted.page(width=size[0], height=size[1], color_scheme=scheme, device_scale_factor=1 if name == "desktop" else 1.5, has_touch=name == "phone", is_mobile=name == "phone") as p:
            for text in ("A name for a black cat", "Explain page tables to a child", "How do I grow tomatoes?"):
                if p.locator("#new").is_visible():
                    p.click("#new")
                else:
                    p.goto(w.scripted.origin + "/#/")
                ask(p, text)
            p.evaluate("document.getElementById('scroll').scrollTop = 0")
            p.wait_for_timeout(100)
            p.screenshot(path="%s/webui-chat-%s.png" % (folder, name))
            p.goto(w.scripted.origin + "/#/device")
            p.wait_for_selector(".model")
            for k in range(25):
                w.fake.status = status(temperature=58 + k % 5 + k / 4)
                w.fake.status["models"][0]["generated_tokens"] = 1000 + 23 * k + 5 * (k % 3)
                w.fake.status["models"][0]["prompt_tokens"] = 2000 + 10 * k
                p.wait_for_timeout(1000)
            p.screenshot(path="%s/webui-device-%s.png" % (folder, name))
    w.fake.status = status()
