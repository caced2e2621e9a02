"""The commands of a customer: generate, quote, tasks, credits, against a serving gateway."""

from __future__ import annotations

import json
import re
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imagegate.domain.money import format_for_people
from tests.support.gateway import Gateway

SMALL = ("--size", "816x816", "--quality", "low")


def run_json(gateway: Gateway, *arguments: str) -> Any:
    return json.loads(gateway.run(*arguments, "--json").stdout)


def test_generate_saves_an_image_of_the_exact_size_where_it_is_told(gateway: Gateway, tmp_path: Path) -> None:
    target = tmp_path / "fox.png"
    done = gateway.run("generate", "a logo", "-o", str(target), *SMALL)
    with Image.open(target) as picture:
        assert (picture.size, picture.format) == ((816, 816), "PNG")
    quote = run_json(gateway, "quote", "a logo", *SMALL)
    usd, credit = (format_for_people(quote["expected"][unit]) for unit in ("usd", "credits"))
    assert f"expected ${usd} ({credit} credits)" in done.stdout
    assert f"charged ${usd} ({credit} credits)" in done.stdout
    assert f"saved {target}" in done.stdout


def test_generate_json_is_the_task_and_its_files(gateway: Gateway, tmp_path: Path) -> None:
    target = tmp_path / "pair.webp"
    task = run_json(gateway, "generate", "a pair of logos", "-n", "2", "--format", "webp", "-o", str(target), *SMALL)
    assert task["status"] == "completed"
    assert task["files"] == [str(tmp_path / "pair-1.webp"), str(tmp_path / "pair-2.webp")]
    for file in task["files"]:
        with Image.open(file) as picture:
            assert (picture.size, picture.format) == ((816, 816), "WEBP")
    shown = json.loads(gateway.run("tasks", task["id"], "--json").stdout)
    assert {**shown, "files": task["files"]} == task
    assert json.loads(gateway.run("tasks", task["id"]).stdout) == shown
    page = run_json(gateway, "tasks", "--status", "completed")
    assert page["data"][0]["id"] == task["id"]
    listed = gateway.run("tasks").stdout
    assert task["id"] in listed
    assert "in all, page 1" in listed


def test_quote_json_is_the_quote_of_the_api(gateway: Gateway) -> None:
    quote = run_json(gateway, "quote", "x", "--size", "16:9", "--resolution", "2k", "--quality", "high", "-n", "2")
    assert (quote["object"], quote["size"]["width"], quote["n"]) == ("image.quote", 2736, 2)
    text = gateway.run("quote", "x", "--size", "1:1").stdout
    assert "1024x1024" in text
    assert "at most $" in text
    assert re.search(r"text_input +6 tokens +<\$0\.0001\n", text), "six tokens are not free"
    assert not re.search(r"\.[0-9]{5}", text)


def test_credits_json_is_what_the_api_says(gateway: Gateway) -> None:
    with gateway.client() as client:
        assert run_json(gateway, "credits") == client.get("/v1/credits").json()["data"]
    assert gateway.run("credits").stdout.startswith("left ")


def test_exit_code_2_for_what_is_wrong_with_the_request(gateway: Gateway, tmp_path: Path) -> None:
    for arguments in (
        ("quote", "x", "--model", "none"),
        ("tasks", "nonsense"),
        ("generate",),
        ("generate", "x", "--quality", "ultra", "-o", str(tmp_path / "never.png")),
    ):
        done = gateway.run(*arguments, check=False)
        assert done.returncode == 2, (arguments, done.stderr)
        assert done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "never.png").exists()


def test_exit_code_1_for_what_failed(gateway: Gateway) -> None:
    for arguments in (("tasks", "task-unified-1-aaaaaaaa"), ("credits", "--key", "imk_live_nonsense")):
        done = gateway.run(*arguments, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("imagegate: ")


def test_exit_code_4_without_credit(gateway: Gateway, tmp_path: Path) -> None:
    key, target = gateway.new_key("poor", "0.1"), tmp_path / "never.png"
    done = gateway.run("generate", "x", "--key", key, "-o", str(target), *SMALL, check=False)
    assert done.returncode == 4
    assert "top up" in done.stderr
    assert not target.exists()


def test_exit_code_5_when_nobody_answers(gateway: Gateway, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for arguments in (("credits",), ("generate", "x", "-o", str(tmp_path / "x.png"))):
        done = gateway.run(*arguments, "--url", f"http://127.0.0.1:{port}", check=False)
        assert done.returncode == 5, done.stderr
        assert "Traceback" not in done.stderr


def test_without_a_gateway_in_the_data_folder_it_says_what_to_do(tmp_path: Path) -> None:
    done = Gateway(tmp_path).run("credits", check=False)
    assert done.returncode == 2
    assert "--url" in done.stderr


def test_a_place_that_cannot_be_written_is_noticed_before_anything_is_bought(gateway: Gateway, tmp_path: Path) -> None:
    before = run_json(gateway, "tasks")["total"]
    done = gateway.run("generate", "x", "-o", str(tmp_path / "absent" / "x.png"), *SMALL, check=False)
    assert done.returncode in (1, 2)
    assert run_json(gateway, "tasks")["total"] == before


def test_serving_on_ipv6_loopback_prints_an_address_that_works(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    gateway = Gateway(tmp_path, "--host", "::1")
    try:
        gateway.start()
        assert gateway.url.startswith("http://[::1]:")
        assert run_json(gateway, "credits")["user"]["remaining_credits"] > 0
    finally:
        gateway.stop()


def test_demo_key_is_private(gateway: Gateway) -> None:
    assert stat.S_IMODE((gateway.data / "demo-key").stat().st_mode) == 0o600
