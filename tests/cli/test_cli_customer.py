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
    found = run_json(gateway, "tasks", "--search", "LOGOS pair")["data"]
    assert [row["id"] for row in found] == [task["id"]]
    assert run_json(gateway, "tasks", "--starred")["data"] == []
    listed = gateway.run("tasks").stdout
    assert task["id"] in listed
    assert "in all, page 1" in listed
    newest = run_json(gateway, "tasks", "--cursor", "")
    assert [row["id"] for row in newest["data"]] == [row["id"] for row in run_json(gateway, "tasks")["data"]]
    assert gateway.run("tasks", "--cursor", "", "--search", "LOGOS pair").stdout.endswith("no older ones\n")


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
    for part in (str(tmp_path / "address"), "--data", "--url", f"imagegate serve --data {tmp_path}"):
        assert part in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_is_not_accepted_is_named_by_where_it_came_from(gateway: Gateway, tmp_path: Path) -> None:
    def said(place: Gateway, *options: str) -> str:
        done = place.run("credits", *options, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "token" not in done.stderr
        return done.stderr

    assert "the key of --key: it is unknown, disabled or expired" in said(gateway, "--key", "imk_live_x")
    place = Gateway(gateway.data, env={"IMAGEGATE_API_KEY": "imk_live_x"})
    assert "the key of IMAGEGATE_API_KEY: " in said(place)
    (tmp_path / "demo-key").write_text("imk_live_x")
    assert f"the key of {tmp_path}/demo-key: " in said(Gateway(tmp_path), "--url", gateway.url)


def test_a_model_that_does_not_exist_is_answered_with_near_names(gateway: Gateway) -> None:
    for command in (("quote", "x", "--model", "gpt-imge-2"), ("models", "gpt-imge-2")):
        done = gateway.run(*command, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "'gpt-imge-2' does not exist; did you mean 'gpt-image-2'?" in done.stderr
        assert "imagegate models lists" in done.stderr


def test_what_the_gateway_refuses_is_said_with_option_and_value(gateway: Gateway, tmp_path: Path) -> None:
    for arguments, said in (
        (("quote", "x", "-n", "0"), "-n is 0: must be a whole number from 1 to 10"),
        (("quote", "x", "--size", "banana"), "--size is 'banana': must be auto, one of"),
        (("quote", "x", "--format", "gif"), "--format is 'gif': must be one of png, jpeg, webp"),
        (("tasks", "--status", "nope"), "--status is 'nope': must be one of pending, "),
    ):
        done = gateway.run(*arguments, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert said in done.stderr
    (tmp_path / "note.png").write_text("no picture")
    done = gateway.run("edit", "x", "-i", str(tmp_path / "note.png"), check=False)
    assert done.returncode == 2
    assert f"imagegate: {tmp_path}/note.png: The file must be" in done.stderr
    assert "nothing was bought" in done.stderr


def test_models_are_listed_with_prices_and_qualities(gateway: Gateway) -> None:
    listed = run_json(gateway, "models")
    with gateway.client() as client:
        assert [model["id"] for model in listed] == [row["id"] for row in client.get("/v1/models").json()["data"]]
        assert listed[0] == client.get(f"/v1/models/{listed[0]['id']}").json()
    text = gateway.run("models").stdout
    assert [line.split()[0] for line in text.splitlines()[1:]] == [model["id"] for model in listed]
    assert "low, medium, high" in text
    assert json.loads(gateway.run("models", "gpt-image-1").stdout)["parameters"]["quality"]["default"] == "high"


def test_the_suffix_chooses_the_format_and_what_is_overwritten_is_said(gateway: Gateway, tmp_path: Path) -> None:
    for name, kind in (("a.webp", "WEBP"), ("b.JPG", "JPEG"), ("d.png", "PNG"), ("e.img", "PNG")):
        done = gateway.run("generate", "a logo", "-o", str(tmp_path / name), *SMALL)
        with Image.open(tmp_path / name) as picture:
            assert picture.format == kind
        assert f"saved {tmp_path / name} (" in done.stdout
        assert (", png)" in done.stdout) == (name == "e.img"), "what is in the file, where its name says nothing"
        assert "older" not in done.stdout
    task = run_json(gateway, "generate", "a logo", "-n", "2", "-o", str(tmp_path / "f.webp"), *SMALL)
    (tmp_path / "f-2.webp").unlink()
    done = gateway.run("generate", "--task", task["id"], "-o", str(tmp_path / "f.webp"))
    assert [line.endswith(", over an older file") for line in done.stdout.splitlines()[-2:]] == [True, False]


def test_a_folder_as_output_gets_files_named_after_the_task(gateway: Gateway, tmp_path: Path) -> None:
    task = run_json(gateway, "generate", "a logo", "-o", str(tmp_path), *SMALL)
    assert task["files"] == [str(tmp_path / f"{task['id']}_0.png")]


def test_the_images_of_a_task_are_saved_later(gateway: Gateway, tmp_path: Path) -> None:
    done = gateway.run("generate", "a logo", "-o", str(tmp_path / "first.webp"), *SMALL)
    task_id = re.search(r"^task (\S+)$", done.stdout, re.MULTILINE)
    assert task_id, "said as soon as the task exists"
    before = run_json(gateway, "credits")
    again = gateway.run("generate", "--task", task_id[1], "-o", str(tmp_path / "second.webp"))
    assert "charged $" in again.stdout
    assert (tmp_path / "second.webp").read_bytes() == (tmp_path / "first.webp").read_bytes()
    other = gateway.run("generate", "--task", task_id[1], "-o", str(tmp_path / "third.png"), check=False)
    assert (other.returncode, list(tmp_path.glob("third*"))) == (2, [])
    assert "are webp: must be a file that ends in .webp" in other.stderr
    assert run_json(gateway, "credits") == before
    absent = gateway.run("generate", "--task", "task-unified-1-aaaaaaaa", check=False)
    assert absent.returncode == 1
    assert "task-unified-1-aaaaaaaa: " in absent.stderr


def test_a_place_that_cannot_be_written_is_noticed_before_anything_is_bought(gateway: Gateway, tmp_path: Path) -> None:
    before = run_json(gateway, "tasks")["total"]
    done = gateway.run("generate", "x", "-o", str(tmp_path / "absent" / "x.png"), *SMALL, check=False)
    assert done.returncode in (1, 2)
    assert run_json(gateway, "tasks")["total"] == before


def test_behind_a_public_url_the_commands_of_this_machine_work(tmp_path: Path) -> None:
    public = "https://images.example.invalid"
    with Gateway(tmp_path / "data", "--host", "0.0.0.0", public_url=public) as gateway:
        assert (gateway.data / "address").read_text() == gateway.url
        no_key = gateway.run("credits", check=False)
        assert (no_key.returncode, no_key.stderr.count("\n")) == (2, 1)
        assert f"imagegate keys create --account NAME --credits N --data {gateway.data}" in no_key.stderr
        assert f"create a key with: imagegate keys create --account NAME --credits N --data {gateway.data}" in (
            gateway.output
        )
        gateway.env["IMAGEGATE_API_KEY"] = gateway.new_key("shop")
        gateway.env |= dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9")  # not the way to here
        first = tmp_path / "first.png"
        task = run_json(gateway, "generate", "a logo", "-o", str(first), *SMALL)
        assert task["results"][0].startswith(f"{public}/files/")
        second = tmp_path / "second.png"
        gateway.run("edit", "sepia", "-i", str(first), "-o", str(second), *SMALL)
        with Image.open(second) as picture:
            assert picture.size == (816, 816)
        for command in ("tasks", "credits", "models"):
            gateway.run(command)


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
