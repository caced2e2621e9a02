"""Line 31: one prompt over several models, qualities or sizes."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import product
from typing import Any

from playwright.sync_api import Page, expect

from tests.support.gateway import Gateway
from tests.web.playground import TIMEOUT_MS, fill_form

PROMPT = "a logo in several ways"
MODELS = ("gpt-image-2", "gpt-image-1.5")
SIZES = ("1:1", "16:9")


def test_l31_one_prompt_over_several_settings_with_the_total_first(page: Page, gateway: Gateway) -> None:
    fill_form(page, PROMPT, quality="low", ratio="1:1")
    page.click("[data-as-matrix]")
    _choose(page, model=MODELS[1], size=SIZES[1])
    total = page.locator("[data-matrix-total]")
    expect(total).to_have_attribute("aria-busy", "false")
    quotes = [_quote(gateway, model, size) for model, size in product(MODELS, SIZES)]
    quoted = [quote for quote in quotes if "object" in quote]
    assert len(quoted) == 3
    for name in ("expected", "maximum"):
        shown = total.locator(f"[data-matrix-quote={name}]").get_attribute("data-credits")
        assert Decimal(shown or "") == sum(Decimal(one[name]["credits"]) for one in quoted)

    # One cell is refused: nothing runs before somebody agrees.
    refused = page.locator("[data-cell]:has([data-refused])")
    expect(refused).to_have_attribute("data-cell", "gpt-image-1.5 · Low · 16:9")
    page.click("[data-run-matrix]")
    expect(page.locator("dialog[open]")).to_contain_text("gpt-image-1.5 · Low · 16:9")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert _tasks(gateway, PROMPT) == []
    page.click("[data-run-matrix]")
    page.locator("[data-confirm]").dblclick()

    expect(page.locator(".matrix [data-tile][data-state=completed]")).to_have_count(3, timeout=TIMEOUT_MS)
    state = page.locator("[data-matrix-state]")
    expect(state).to_have_text(re.compile(r"3 of 3 done · \$0\.0"))
    tasks = _tasks(gateway, PROMPT)
    assert len({task["metadata"]["matrix"] for task in tasks}) == 1
    made = [(task["model"], task["size"]) for task in reversed(tasks)]
    assert made == [("gpt-image-2", "1:1"), ("gpt-image-2", "16:9"), ("gpt-image-1.5", "1:1")]
    # Side by side: the sizes of a model in a row, the models of a size in a column.
    cells = ("gpt-image-2 · Low · 1:1 · 1K", "gpt-image-2 · Low · 16:9 · 1K", "gpt-image-1.5 · Low · 1:1")
    (x, y), beside, below = (_place(page, cell) for cell in cells)
    assert (beside[1], below[0]) == (y, x)

    page.reload()
    page.click("[data-as-matrix]")
    expect(page.locator(".matrix [data-tile][data-state=completed]")).to_have_count(3)
    # Each of its tasks leads back to it.
    page.click("[data-matrix-new]")
    page.click("[data-as-gallery]")
    page.locator("[data-tile] [data-show]").first.press("Enter")
    page.click("[data-open-matrix]")
    expect(page.locator(".matrix [data-tile][data-state=completed]")).to_have_count(3)


def test_l31_a_matrix_is_bought_once_and_has_twelve_cells_at_most(page: Page, gateway: Gateway) -> None:
    fill_form(page, "a logo bought once", quality="low", ratio="1:1")
    page.click("[data-as-matrix]")
    _choose(page, size=SIZES[1])
    run = page.locator("[data-run-matrix]")
    for quality, resolution in (("medium", "2K"), ("high", "4K")):
        _choose(page, quality=quality, resolution=resolution)
    expect(page.locator("[data-matrix-hindrance]")).to_contain_text("18")
    expect(run).to_have_attribute("aria-disabled", "true")
    run.click(force=True)
    for name, value in (("resolution", "4K"), ("resolution", "2K"), ("quality", "high"), ("quality", "medium")):
        page.uncheck(f"input[name=pg-matrix-{name}][value='{value}']")
    expect(run).to_have_attribute("aria-disabled", "false")
    run.dblclick()
    expect(page.locator(".matrix [data-tile][data-state=completed]")).to_have_count(2, timeout=TIMEOUT_MS)
    assert len(_tasks(gateway, "bought once")) == 2
    # What was chosen is still there for the next one.
    page.click("[data-matrix-new]")
    expect(page.locator("input[name=pg-matrix-size]:checked")).to_have_count(2)


def _choose(page: Page, **values: str) -> None:
    for axis, value in values.items():
        page.check(f"input[name=pg-matrix-{axis}][value='{value}']")


def _quote(gateway: Gateway, model: str, size: str) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "prompt": PROMPT, "size": size, "quality": "low", "output_format": "png"}
    with gateway.client() as http:
        found: dict[str, Any] = http.post("/v1/images/quotes", json=body).json()
    return found


def _tasks(gateway: Gateway, words: str) -> list[dict[str, Any]]:
    with gateway.client() as http:
        found: list[dict[str, Any]] = http.get("/v1/tasks", params={"q": words, "cursor": ""}).json()["data"]
    return found


def _place(page: Page, cell: str) -> tuple[float, float]:
    box = page.locator(f"[data-cell='{cell}'] [data-tile]").bounding_box()
    assert box
    return box["x"], box["y"]
