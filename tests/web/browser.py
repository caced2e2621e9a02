"""Debian's Chromium without a window, as a visitor who comes for the first time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, ViewportSize, sync_playwright

from tests.support.gateway import Gateway

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name that is no loopback: over plain http it is no secure context.
    "--host-resolver-rules=MAP gate.test 127.0.0.1",
]
DESKTOP: ViewportSize = {"width": 1280, "height": 1000}
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
_SHELL = "/usr/bin/chromium-headless-shell"
_NAMES = (_SHELL, "chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """The browser's path. On Debian, as root, the headless shell is installed where it is absent: it takes a third less
    CPU than a whole Chromium."""
    found = _first_browser()
    if found != _SHELL and os.geteuid() == 0 and shutil.which("apt-get"):
        with (Path(tempfile.gettempdir()) / "imagegate-chromium.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the workers of a run come here at once
            if _first_browser() != _SHELL:
                for command in (["update"], ["install", "-y", "chromium-headless-shell"]):
                    subprocess.run(["apt-get", "-qq", *command], check=not found, stdout=subprocess.DEVNULL)
            found = _first_browser()
    assert found, "the tests of the page need a browser: install the Debian package chromium, or any Chromium"
    return found


def _first_browser() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def open_page(browser: Browser, signed_in: Gateway | None = None, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page of a new profile, and what its console complained about so far.

    `signed_in`: a gateway of this machine, at whose page the demo account is signed in.
    """
    with contextlib.closing(browser.new_context(**{"reduced_motion": "reduce", **options})) as context:
        page = context.new_page()
        if signed_in is not None:
            sign_in_by_link(page, signed_in)
        with _complaints(page) as complaints:
            yield page, complaints


class Tabs:
    """Visitors of a desktop who come for the first time, one after the other, in the same renderer: a new one takes
    longer than what most tests do with it. What a test changes of its browser stays, as a clock, a permission or a
    colour scheme: it needs `open_page`."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._left: Page | None = None

    @contextlib.contextmanager
    def open(self, signed_in: Gateway | None = None) -> Iterator[tuple[Page, list[str]]]:
        """As `open_page`."""
        page, self._left = self._left or self._new_page(), None
        try:
            if signed_in is not None:
                sign_in_by_link(page, signed_in)
            with _complaints(page) as complaints:
                yield page, complaints
            self._forget_visitor(page)
        finally:
            if self._left is None:
                page.context.close()

    def _new_page(self) -> Page:
        return self._browser.new_context(viewport=DESKTOP, locale="en-US", reduced_motion="reduce").new_page()

    def _forget_visitor(self, page: Page) -> None:
        if page.is_closed() or len(page.context.pages) > 1:
            return
        page.unroute_all()
        with contextlib.suppress(Error):  # of a gateway that is gone
            page.goto(urljoin(page.url, "/healthz"))  # where nothing runs on
            page.set_viewport_size(DESKTOP)
            page.evaluate("localStorage.clear(), sessionStorage.clear(), indexedDB.deleteDatabase('imagegate')")
            page.context.clear_cookies()
            self._left = page


@contextlib.contextmanager
def _complaints(page: Page) -> Iterator[list[str]]:
    """What its console complains about meanwhile."""
    complaints: list[str] = []

    def hear(told: ConsoleMessage) -> None:
        if told.type in ("error", "warning"):
            complaints.append(told.text)

    def hear_error(error: Error) -> None:
        complaints.append(str(error))

    page.on("console", hear)
    page.on("pageerror", hear_error)
    yield complaints
    page.remove_listener("console", hear)
    page.remove_listener("pageerror", hear_error)


def accessibility_violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 A and AA, a line each; of the dialog alone where one is open: the page behind it
    is out of reach, and was looked at before."""
    page.evaluate(AXE.read_text("utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    # What passes is not described: on a long page that takes longer than all checks.
    run = """tags => axe.run(
        document.querySelector('dialog[open]') ?? document,
        {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']},
    )"""
    found = page.evaluate(run, tags)["violations"]
    return [f"{one['id']}: {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}" for one in found]


def sign_in_by_link(page: Page, gateway: Gateway) -> None:
    """A session of the demo account, as the link opens it that the start prints."""
    link = gateway.page_link
    reply = page.context.request.post(
        f"{gateway.url}/web/session/link",
        data={"secret": link.partition("#open=")[2]},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert reply.ok, reply.text()


def sign_in(page: Page, origin: str, key: str) -> None:
    """Trade the key for a session, as the dialog does."""
    page.goto(f"{origin}/status")
    status = page.evaluate(
        """key => fetch('/web/session', {method: 'POST', headers: {'Content-Type': 'application/json'},
        body: JSON.stringify({key})}).then(reply => reply.status)""",
        key,
    )
    assert status == 200


_SESSIONS: dict[tuple[str, str], Any] = {}


def share_session(page: Page, origin: str, key: str) -> None:
    """As `sign_in`. Sign-ins are limited: all visits with the key share a session, which none of them may end."""
    if (origin, key) not in _SESSIONS:
        sign_in(page, origin, key)
        _SESSIONS[origin, key] = [
            {"name": one["name"], "value": one["value"], "url": origin} for one in page.context.cookies()
        ]
    page.context.add_cookies(_SESSIONS[origin, key])
