"""What a visitor does at the playground, in a line each."""

from __future__ import annotations

import base64
import io
import json
from decimal import Decimal
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.support.gateway import Gateway

TIMEOUT_MS = 60_000


def fill_form(page: Page, prompt: str, **settings: str) -> None:
    """The prompt, and settings by the names of their fields: quality="low", ratio="1:1", tier="1K", n="2"."""
    page.fill("#pg-prompt", prompt)
    number = settings.pop("n", "")
    if "ratio" in settings or "tier" in settings:
        page.check("input[name=pg-mode][value=ratio]")
    for name, value in settings.items():
        page.check(f"input[name=pg-{name}][value='{value}']")
    if number:
        page.select_option("#pg-n", number)


def run_prompt(page: Page, prompt: str, **settings: str) -> Locator:
    """Write, press Run, and wait for the end."""
    fill_form(page, prompt, **{"quality": "low", "ratio": "1:1", **settings})
    page.locator(".gallery[aria-busy=false]").wait_for()
    newest = page.locator("[data-tile]").first
    before = newest.get_attribute("data-key") if newest.count() else ""
    page.click("[data-run]")
    expect(newest).not_to_have_attribute("data-key", before or "")  # an older one may have the same prompt
    return completed_card(page, prompt)


def quoted_credits(page: Page) -> Decimal:
    """The expected credits, once the price in sight is that of the form."""
    page.wait_for_timeout(160)
    page.locator("[data-price][aria-busy=false]").wait_for()
    found = page.locator("[data-quote=expected]").get_attribute("data-credits")
    assert found
    return Decimal(found)


def card(page: Page, prompt: str) -> Locator:
    """The newest tile of this prompt."""
    return page.locator("[data-tile]").filter(has_text=prompt).first


def completed_card(page: Page, prompt: str) -> Locator:
    """Wait for its end, and open it in the drawer."""
    tile = card(page, prompt)
    expect(tile).to_have_attribute("data-state", "completed", timeout=TIMEOUT_MS)
    return open_drawer(page, tile)


def open_drawer(page: Page, tile: Locator) -> Locator:
    """The drawer of a tile, with all that it tells. It opens by key: another drawer may lie over the tile."""
    if page.locator("dialog.sheet[open]").count():
        page.keyboard.press("Escape")
    task = tile.get_attribute("data-tile")
    page.locator(f"[data-tile='{task}'] [data-show]").press("Enter")
    one = page.locator(f"[data-task='{task}']")
    one.locator("[data-actual=price]").wait_for(state="attached")
    return one


def open_refused(page: Page) -> Locator:
    """The drawer of the run that was refused before it became a task."""
    tile = page.locator("[data-tile][data-state=refused]")
    tile.wait_for()
    tile.locator("[data-show]").press("Enter")
    return page.locator("[data-task][data-state=refused]")


def read_task(gateway: Gateway, one: Locator, key: str = "") -> dict[str, Any]:
    """The task of a tile or a drawer, as the API tells of it."""
    task = one.get_attribute("data-task") or one.get_attribute("data-tile")
    with gateway.client(key or gateway.key) as http:
        answer = http.get(f"/v1/tasks/{task}?include=request,outputs,attempts")
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def noise_image(seed: int = 0, size: tuple[int, int] = (96, 64), kind: str = "PNG") -> bytes:
    """An image of its own: noise on a colour."""
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


def add_file(page: Page, how: str, name: str, data: bytes, media_type: str = "image/png") -> None:
    """`how` is drop or paste: the file arrives as the browser's own events bring it."""
    page.evaluate(
        """([how, name, text, type]) => {
            const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type }));
            const options = { bubbles: true, cancelable: true };
            if (how === 'drop') document.querySelector('.references')
                .dispatchEvent(new DragEvent('drop', { ...options, dataTransfer: transfer }));
            else document.dispatchEvent(new ClipboardEvent('paste', { ...options, clipboardData: transfer }));
        }""",
        [how, name, base64.b64encode(data).decode(), media_type],
    )


def ready_references(page: Page, count: int) -> Locator:
    """The references, once so many are there."""
    found = page.locator("[data-reference=ready]")
    expect(found).to_have_count(count, timeout=20_000)
    return found


def request_body(page: Page) -> dict[str, Any]:
    """The request as the form has it now, read from what it offers as code."""
    page.click("[data-as-code]")
    text = page.locator("[data-program]").inner_text()
    page.click("[data-as-gallery]")
    body: dict[str, Any] = json.loads(text.split("-d '", 1)[1].partition("')\n")[0].replace("'\\''", "'"))
    return body
