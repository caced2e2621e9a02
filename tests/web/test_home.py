"""Line 32, and what the page of a model says: examples, values of fields, models."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from imagegate.catalog.load import load_catalog
from imagegate.domain.money import format_for_people
from imagegate.families.sizes import RATIOS, TIERS, pixels_for_ratio
from tests.support.gateway import Gateway
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.web.browser import open_page
from tests.web.playground import noise_image, quoted_credits

STATIC = Path(__file__).parents[2] / "src/imagegate/web/static"
MAX_HEAD_PX = 270
MAX_SHIFT = 0.02


def test_l32_the_page_opens_with_images_and_one_click_fills_the_form(page: Page, gateway: Gateway) -> None:
    tiles = page.locator(".examples [data-example]")
    expect(tiles).to_have_count(5)
    assert page.evaluate("[...document.querySelectorAll('.examples img')].every((one) => one.naturalWidth > 400)")
    expect(page.locator(".examples")).to_contain_text("Drawn by the built-in preview engine, not by an AI model.")
    with gateway.client() as http:
        for tile in tiles.all():
            request = json.loads(tile.get_attribute("data-example") or "")
            quote = http.post("/v1/images/quotes", json=request).raise_for_status().json()
            expect(tile).to_contain_text(request["prompt"])
            expect(tile).to_contain_text(request["size"])
            expect(tile).to_contain_text(f"${_rounded(quote['expected']['usd'])}")
    chosen = tiles.nth(4)
    request = json.loads(chosen.get_attribute("data-example") or "")
    chosen.click()
    expect(page.locator("#pg-prompt")).to_have_value(request["prompt"])
    expect(page.locator("#pg-prompt")).to_be_focused()
    expect(page.locator("input[name=pg-ratio]:checked")).to_have_value(request["size"])
    expect(page.locator("input[name=pg-tier]:checked")).to_have_value(request["resolution"])
    expect(page.locator("input[name=pg-quality]:checked")).to_have_value(request["quality"])
    with gateway.client() as http:
        quote = http.post("/v1/images/quotes", json=request).raise_for_status().json()
    assert str(quoted_credits(page)) == quote["expected"]["credits"]


def test_l32_the_workspace_begins_high_on_the_first_screen_and_nothing_moves(
    gateway: Gateway, browser: Browser
) -> None:
    with open_page(browser, gateway, viewport={"width": 1280, "height": 900}) as (page, _complaints):
        page.goto(gateway.url)
        page.locator("[data-quote=expected]:not([data-credits=''])").wait_for()
        head = page.locator(".hero").bounding_box()
        assert head
        assert head["height"] <= MAX_HEAD_PX
        shift = page.evaluate("""() => new Promise((done) => {
            let sum = 0;
            const observer = new PerformanceObserver((list) => {
                for (const one of list.getEntries()) sum += one.value;
            });
            observer.observe({type: 'layout-shift', buffered: true});
            requestAnimationFrame(() => setTimeout(() => done(sum), 0));
        })""")
    assert shift < MAX_SHIFT


@pytest.fixture
def examples(gateway: Gateway) -> Any:
    """The operator's folder of examples."""
    folder = gateway.data / "examples"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_l32_the_operators_examples_come_from_a_folder(gateway: Gateway, examples: Path) -> None:
    assert shown_examples(gateway) == [], "an empty folder shows none"
    write_example(examples, "20-own", 'prompt = "A <b>bold</b> fox"\nsize = "3:2"\nquality = "low"\nn = 2')
    write_example(examples, "10-other", 'prompt = "At a fixed price"\nmodel = "gpt-image-2-beta"', suffix="jpg")
    write_example(examples, "30-korean", 'prompt = "여우"\nlanguage = "ko"')
    write_example(examples, "40-misspelt", 'prompt = "A fox"\nqualty = "low"')
    write_example(examples, "50-refused", 'prompt = "A fox"\nsize = "17x17"')
    write_example(examples, "55-nested", "prompt = " + "[" * 5000)
    write_example(examples, "60-no-image", 'prompt = "A fox"', image=b"not an image")
    other, own = shown_examples(gateway)
    assert (own["prompt"], own["quality"], own["n"]) == ("A <b>bold</b> fox", "low", 2)
    assert other["model"] == "gpt-image-2-beta"
    assert other["href"].startswith("/models/gpt-image-2-beta#prompt=At%20a%20fixed%20price")
    assert [one["prompt"] for one in shown_examples(gateway, "ko")][-1] == "여우"
    picture = httpx.get(gateway.url + own["image"], timeout=60)
    assert picture.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(picture.content)).size == (512, 341)
    assert httpx.get(f"{gateway.url}/web/examples/none.webp", timeout=60).status_code == 404
    ignored = [line for line in gateway.output if "example_ignored" in line]
    names = ("40-misspelt", "55-nested", "60-no-image")
    assert [name in line for name, line in zip(names, ignored, strict=True)] == [True, True, True]
    (examples / "10-other.toml").unlink()
    assert [one["prompt"] for one in shown_examples(gateway)] == ["A <b>bold</b> fox"], "without a restart"


def write_example(folder: Path, name: str, text: str, image: bytes = b"", suffix: str = "png") -> None:
    content = image or noise_image(size=(600, 400), kind="JPEG" if suffix == "jpg" else "PNG")
    (folder / f"{name}.{suffix}").write_bytes(content)
    (folder / f"{name}.toml").write_text(text, "utf-8")


def shown_examples(gateway: Gateway, language: str = "en") -> list[dict[str, Any]]:
    page = httpx.get(gateway.url, headers={"Accept-Language": language}, timeout=60).text
    found = re.findall(r'<a href="([^"]*)" data-example="([^"]*)".*?<img src="([^"]*)"', page)
    assert "preview engine, not by" not in page
    return [{**json.loads(html.unescape(request)), "href": href, "image": image} for href, request, image in found]


def _rounded(usd: str) -> str:
    return format_for_people(f"{float(usd):.4f}")


def test_value_tables_say_what_the_family_does(gateway: Gateway) -> None:
    """Every number comes from the rules that price and check a request."""
    free = httpx.get(gateway.url, timeout=60).text
    fields = ("prompt", "size", "resolution", "quality", "n", "image_urls", "callback_url")
    assert re.findall(r'id="value-(\w+)"', free) == list(fields)
    for tier, area in TIERS.items():
        square, wide = ("×".join(map(str, pixels_for_ratio(ratio, tier))) for ratio in ("1:1", "16:9"))
        cells = rf"<code>{tier}</code></th><td[^>]*>{area / 1e6:.2f} MP</td><td[^>]*>{square}</td><td[^>]*>{wide}</td>"
        assert re.search(cells, free), tier
    assert all(f"<code>{ratio}</code>" in free for ratio in RATIOS)
    assert "the quote assumes 2048×2048" in free
    table = httpx.get(f"{gateway.url}/models/gpt-image-1.5-lite", timeout=60).text
    assert re.findall(r'id="value-(\w+)"', table) == [one for one in fields if one != "resolution"]
    assert "the quote assumes 1024×1536" in table


def test_each_model_has_its_line_and_the_names_of_its_qualities() -> None:
    models = load_catalog().models.values()
    for language in ("en", "ko"):
        page = json.loads((STATIC / f"lang/{language}.json").read_text("utf-8"))["page"]
        assert set(page["variants"]["notes"]) == {one.id for one in models}
        assert {quality for one in models for quality in one.qualities} == set(page["qualities"])


def test_the_models_to_choose_from_are_those_for_sale_with_their_other_names(tmp_path: Path) -> None:
    alias = '[[alias]]\nname = "house-model"\nrow = "gpt-image-2"\n'
    rows = (alias, upstream_config("never-called", "http://127.0.0.1:9/v1"), route_config("never-called", "0.001"))
    with RoutedGateway(tmp_path / "data", *rows) as gateway:
        page = httpx.get(gateway.url, timeout=60).text
    chips = re.findall(
        r'<li><a href="([^"#]*)"(?: aria-current="true")?>([^<]+)</a></li>', page.partition('class="variants"')[2]
    )[:2]
    assert chips == [("/", "GPT Image 2"), ("/models/house-model", "house-model")]


def test_scripts_are_sent_their_texts_alone(gateway: Gateway) -> None:
    address = re.search(r'data-texts="([^"]+)"', httpx.get(gateway.url, timeout=60).text)
    assert address
    texts = httpx.get(gateway.url + address[1], timeout=60).json()
    assert {"app", "playground", "dashboard"} == set(texts), "those of `page` are in the HTML"
    scripts = "".join(file.read_text("utf-8") for file in STATIC.glob("app/**/*.js"))
    assert not re.findall(r"""\bt\(\s*[`"']page\.""", scripts)
