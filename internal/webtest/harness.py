"""Starts the programs and the browser; pages for the checks."""
import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from playwright.sync_api import sync_playwright

from fake import Fake

WAIT = 15000  # ms: the longest that anything on the page may take


def chromium():
    for name in [os.environ.get("QWQ_CHROMIUM"), "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]:
        path = name and shutil.which(name)
        if path:
            return path
    raise SystemExit("make test-webui: Chromium is missing: apt-get install chromium-headless-shell, or QWQ_CHROMIUM=PATH")


class Site:
    """qwq ui before a daemon, and pages of it."""

    def __init__(self, world, socket):
        self.world = world
        self.socket = socket
        self.ui = subprocess.Popen([world.bin("qwq"), "ui", "--no-browser", "--socket", socket], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=world.env)
        world.close.callback(end, self.ui)
        self.address = self.ui.stdout.readline().strip()
        self.origin = self.address.split("/#")[0]
        self.cookies = None

    @contextlib.contextmanager
    def page(self, address=None, width=1200, height=760, storage=None, **options):
        """A page in a browser that knows the site. What it asks of others, and its errors, end the check."""
        context = self.world.browser.new_context(viewport={"width": width, "height": height}, permissions=["clipboard-read", "clipboard-write"], **options)
        if self.cookies:
            context.add_cookies(self.cookies)
        context.set_default_timeout(WAIT)
        page = context.new_page()
        wrong = []
        page.on("pageerror", lambda e: wrong.append("script: %s" % e))
        page.on("dialog", lambda d: (wrong.append("dialog: " + d.message), d.dismiss()))
        page.on("console", lambda m: wrong.append("console: " + m.text) if m.type == "error" and "Failed to load resource" not in m.text else None)
        page.on("request", lambda r: wrong.append("request: " + r.url) if not r.url.startswith((self.origin + "/", "blob:" + self.origin)) else None)
        if storage:
            page.add_init_script("if (!sessionStorage.getItem('filled')) { sessionStorage.setItem('filled', 1); for (const [k, v] of Object.entries(%s)) localStorage.setItem(k, v); }" % storage)
        page.wrong = wrong
        if address is None and not self.cookies:
            address = self.address
        page.goto(address or self.origin)
        if not self.cookies and "#token" in (address or ""):
            page.wait_for_selector("#app:not([hidden])")
            self.cookies = context.cookies()
        try:
            yield page
            assert not wrong, wrong
        finally:
            context.close()


def end(process):
    process.terminate()
    process.wait(10)


class World:
    """Everything that a run of the checks needs."""

    def __init__(self, root):
        self.root = root
        self.close = contextlib.ExitStack()
        self.tmp = self.close.enter_context(tempfile.TemporaryDirectory())
        self.env = {**os.environ, "XDG_STATE_HOME": self.tmp + "/state", "XDG_CACHE_HOME": self.tmp + "/cache", "HOME": self.tmp}
        self.real_socket = self.tmp + "/qwqd.sock"
        self.start_daemon()
        self.fake = Fake(self.tmp + "/fake.sock")
        self.close.callback(self.fake.shutdown)
        self.browser = self.close.enter_context(sync_playwright()).chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        self.close.callback(self.browser.close)
        self.real = Site(self, self.real_socket)
        self.scripted = Site(self, self.tmp + "/fake.sock")

    def bin(self, name):
        return os.path.join(self.root, "bin", name)

    def start_daemon(self):
        self.daemon = subprocess.Popen([self.bin("qwqd"), "--socket", self.real_socket], stderr=subprocess.DEVNULL, env=self.env)
        self.close.callback(end, self.daemon)
        for _ in range(200):
            if os.path.exists(self.real_socket):
                return
            time.sleep(0.05)
        raise SystemExit("qwqd does not start")


def ask(page, text, wait=True):
    """Types a message and sends it."""
    page.fill("#prompt", text)
    page.press("#prompt", "Enter")
    if wait:
        page.wait_for_selector("#send:not([hidden])")
        page.wait_for_selector("#messages li.last .tools:not([hidden])")


def last(page):
    return page.locator("#messages li.last .text").last


def until(what, why, seconds=10):
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        if what():
            return
        time.sleep(0.02)
    raise AssertionError(why)


def true(page, expression):
    """Waits until an expression is true. Playwright's own way needs eval, which the page's policy forbids."""
    until(lambda: page.evaluate(expression), expression)
