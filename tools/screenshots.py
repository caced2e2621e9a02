"""Screenshots of every page for a look: `make screenshots` writes them to dist/screenshots.

A gateway with the embedded engine shows the page and the customer's dashboard, one with simulators the operator's. Each
is taken in both themes and languages, in desktop and phone width. `--readme` takes the three of the README.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Locator, Page
from tests.support.gateway import THUMBNAILS, Gateway
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator
from tests.web.browser import open_browser, open_page, sign_in
from tests.web.playground import open_drawer, open_refused, quoted_credits

OUT = Path("dist/screenshots")
README = Path("docs/images")
WIDTHS = {"desk": (1280, 900), "phone": (390, 844)}
THEMES, LANGUAGES = ("light", "dark"), ("en", "ko")
SCOPES = ("images:write", "tasks:read", "files:write", "billing:read", "admin")
PUBLIC = {"home": "/", "fixed": "/models/gpt-image-2-beta", "status": "/status", "missing": "/nothing"}
CUSTOMER = ("overview", "tasks", "usage", "usage?by=model", "credits", "keys", "webhooks")
OPERATOR = ("gateway", "work", "accounts", "routes", "overruns", "audit")
_SESSIONS: dict[str, Any] = {}
WORK: tuple[tuple[str, dict[str, Any]], ...] = (
    ("A lighthouse on a basalt cliff, storm light, long exposure", {"size": "3:2", "quality": "high"}),
    ("A red fox in a snowy forest at sunset", {"size": "16:9", "quality": "medium"}),
    ("Aurora over a quiet fjord, a single rowing boat", {"size": "21:9", "quality": "low"}),
    ("A ceramic teapot on linen, soft window light", {"size": "1:1", "quality": "low", "n": 2}),
    ("Night market in the rain, neon reflections", {"size": "4:5", "quality": "low"}),
    ("Desert dunes with one camel, low sun", {"size": "4:3", "quality": "low"}),
    ("Portrait of an astronomer, oil on canvas", {"size": "3:4", "quality": "low"}),
    ("A paper kite above a summer meadow", {"size": "1:1", "quality": "low"}),
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--readme", action="store_true", help="take the README's three screenshots again")
    options.add_argument("--only", default="", help="part of the names of the screenshots to take")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        if given.readme:
            readme(browser, Path(folder))
        else:
            OUT.mkdir(parents=True, exist_ok=True)
            capture_customer_pages(Camera(browser, given.only), Path(folder) / "page")
            capture_operator_pages(Camera(browser, given.only), Path(folder) / "front")


class Camera:
    """Takes the screenshots whose names contain `only`."""

    def __init__(self, browser: Browser, only: str) -> None:
        self._browser = browser
        self._only = only

    def take(
        self, gateway: Gateway, path: str, name: str, act: Callable[[Page], None] | None = None, key: str = ""
    ) -> None:
        """Take one in every width, theme and language; `act` brings the page into the state to show."""
        for width, theme, language in itertools.product(WIDTHS, THEMES, LANGUAGES):
            file = OUT / f"{name}-{width}-{theme}-{language}.png"
            if self._only not in file.name:
                continue
            with open_themed_page(self._browser, gateway, path, WIDTHS[width], theme, language, key) as page:
                if act:
                    act(page)
                else:
                    prepare_full_page(page)
                settle(page)
                page.screenshot(path=file, full_page=act is None)
                print(file)


@contextlib.contextmanager
def open_themed_page(
    browser: Browser,
    gateway: Gateway,
    path: str,
    size: tuple[int, int],
    theme: str,
    language: str,
    key: str = "",
    scale: float = 1,
) -> Iterator[Page]:
    """Signed in with the key, or without one to the demo account."""
    options: dict[str, Any] = {
        "viewport": {"width": size[0], "height": size[1]},
        "color_scheme": theme,
        "locale": language,
        "device_scale_factor": scale,
    }
    with open_page(browser, None if key else gateway, **options) as (page, _):
        if key:
            _sign_in_once(page, gateway, key)
        page.goto(gateway.url + path)
        settle(page)
        yield page


def _sign_in_once(page: Page, gateway: Gateway, key: str) -> None:
    """Sign-ins are limited, so that all screenshots with one key share a session."""
    if key in _SESSIONS:
        page.context.add_cookies(_SESSIONS[key])
        return
    sign_in(page, gateway.url, key)
    _SESSIONS[key] = [
        {"name": one["name"], "value": one["value"], "url": gateway.url} for one in page.context.cookies()
    ]
    page.goto("about:blank")


def settle(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)


def prepare_full_page(page: Page) -> None:
    """Prepare for one tall screenshot: no sticky elements, and lazy content is loaded."""
    page.evaluate("""async () => {
        for (const one of document.querySelectorAll('.top, .composer, .run-bar')) one.style.position = 'static';
        for (let at = 0; at < document.body.scrollHeight; at += 600) {
            scrollTo(0, at);
            await new Promise((done) => setTimeout(done, 30));
        }
        scrollTo(0, 0);
    }""")


def capture_customer_pages(camera: Camera, data: Path) -> None:
    with Gateway(data, env=THUMBNAILS) as gateway:
        tasks = create_tasks(gateway)
        for name, path in PUBLIC.items():
            camera.take(gateway, path, name)
        for view in (*CUSTOMER, f"tasks/{tasks[0]}"):
            camera.take(gateway, f"/dashboard#/{view}", "dash-" + view[:30].replace("?", "-").replace("/", "-"))
        for name, act in SCENES.items():
            camera.take(gateway, "/", f"play-{name}", act)


def capture_operator_pages(camera: Camera, data: Path) -> None:
    data.parent.mkdir(exist_ok=True)
    with Simulator() as sim:
        rows = [upstream_config("azure-eu", f"{sim.url}/v1"), upstream_config("reseller", f"{sim.url}/v1")]
        with RoutedGateway(data, *rows, route_config("azure-eu", "0.02"), route_config("reseller", "0.004")) as gateway:
            task = create_tasks(gateway)[-1]
            key = gateway.new_key("operator", "50", *(word for one in SCOPES for word in ("--scope", one)))
            for view in (*OPERATOR, f"work/{task}"):
                camera.take(gateway, f"/dashboard#/{view}", "op-task" if "/" in view else f"op-{view}", key=key)


def create_tasks(gateway: Gateway) -> list[str]:
    """Finished tasks, the newest last."""
    with gateway.client() as http:
        return [_create_task(http, prompt, fields) for prompt, fields in reversed(WORK)]


def _create_task(http: httpx.Client, prompt: str, fields: dict[str, Any]) -> str:
    body = {"model": "gpt-image-2", "prompt": prompt, **fields}
    answer = http.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"}).raise_for_status()
    return str(answer.json()["id"])


def open_newest(page: Page) -> Locator:
    return open_drawer(page, page.locator("[data-tile][data-state=completed]").first)


def fill_composer(page: Page) -> None:
    one = open_newest(page)
    one.locator("[data-use]").first.click()
    page.keyboard.press("Escape")
    page.fill("#pg-prompt", "A lighthouse on a basalt cliff, storm light, long exposure")
    page.check("input[name=pg-mode][value=ratio]")
    page.check("input[name=pg-ratio][value='3:2']")
    page.check("input[name=pg-quality][value=high]")
    quoted_credits(page)
    for toast in page.locator(".toast").all():
        toast.click()
    page.evaluate("""() => {
        document.querySelector('.composer-rest').scrollTop = document.querySelector('.composer-body').scrollTop = 0;
        document.getElementById('playground').scrollIntoView();
    }""")


def open_lightbox(page: Page) -> None:
    open_newest(page).locator("[data-open]").first.click()
    page.locator("[data-original]").wait_for()


def open_comparison(page: Page) -> None:
    for at in range(3):
        page.locator("[data-pick]").nth(at).check()
    page.locator("[data-compare]:not([disabled])").click()
    page.locator(".beside img").nth(2).wait_for()


def open_mask_editor(page: Page) -> None:
    open_newest(page).locator("[data-use]").first.click()
    if page.locator("dialog.sheet[open]").count():
        page.keyboard.press("Escape")
    page.click("[data-mask]")
    page.locator(".mask-cursor").wait_for(state="attached")
    box = page.locator(".mask-stage canvas").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5, steps=8)
    page.mouse.up()


def open_code_panel(page: Page) -> None:
    page.fill("#pg-prompt", "A paper kite above a summer meadow")
    page.locator("[data-as-code]").click()
    page.locator("[data-language=python]").click()


def show_refusal(page: Page) -> None:
    page.route(
        "**/v1/images/generations",
        lambda one: one.fulfill(
            status=402, json={"error": {"code": "insufficient_quota", "message": "Insufficient credits: 3.2 needed."}}
        ),
    )
    page.fill("#pg-prompt", "A paper kite above a summer meadow")
    page.click("[data-run]")
    open_refused(page)


def show_shortcuts(page: Page) -> None:
    page.locator(".brand").focus()
    page.keyboard.press("?")


def open_matrix(page: Page) -> None:
    page.fill("#pg-prompt", "A paper kite above a summer meadow")
    page.click("[data-as-matrix]")


SCENES: dict[str, Callable[[Page], None]] = {
    "filled": fill_composer,
    "lightbox": open_lightbox,
    "compare": open_comparison,
    "mask": open_mask_editor,
    "drawer": lambda page: open_newest(page).wait_for(),
    "code": open_code_panel,
    "matrix": open_matrix,
    "refused": show_refusal,
    "keys": show_shortcuts,
}


def readme(browser: Browser, data: Path) -> None:
    README.mkdir(parents=True, exist_ok=True)
    with Gateway(data / "page", env=THUMBNAILS) as gateway:
        create_tasks(gateway)
        with open_themed_page(browser, gateway, "/", (1280, 860), "light", "en") as page:
            fill_composer(page)
            settle(page)
            page.screenshot(path=README / "playground.png")
        with open_themed_page(browser, gateway, "/", (1280, 860), "dark", "ko") as page:
            open_comparison(page)
            settle(page)
            page.screenshot(path=README / "compare.png")
        with open_themed_page(browser, gateway, "/dashboard#/overview", (1280, 860), "light", "en") as page:
            page.screenshot(path=README / "dashboard.png")


if __name__ == "__main__":
    main()
