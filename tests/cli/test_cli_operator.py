"""The commands of an operator: keys, grants, check and doctor, on the data folder."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from tests.support.gateway import Gateway


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """An installation that has served one image and stands still."""
    with Gateway(tmp_path_factory.mktemp("used")) as gateway, gateway.client() as client:
        body = {"prompt": "logo", "size": "816x816", "quality": "low"}
        answer = client.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"})
        assert answer.json()["status"] == "completed"
    return gateway


@pytest.fixture
def place(tmp_path: Path, sqlite_template: Path) -> Gateway:
    """A new installation without accounts, that nobody serves."""
    shutil.copyfile(sqlite_template, tmp_path / "imagegate.db")
    return Gateway(tmp_path)


def list_keys(gateway: Gateway, account: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(gateway.run("keys", "list", "--account", account, "--json").stdout)
    return rows


def test_keys_create_makes_the_account_and_shows_the_value_once(place: Gateway) -> None:
    gateway = place
    made = json.loads(
        gateway.run(
            "keys",
            "create",
            "--account",
            "shop",
            "--credits",
            "2.5",
            "--json",
            "--name",
            "till",
            "--cap",
            "2",
            "--daily-cap",
            "1.000000068",
            "--expires",
            "2099-01-31T12:00+09:00",
            "--model",
            "gpt-image-1",
        ).stdout
    )
    assert list(made) == ["key", "id", "account"]
    plain = gateway.run("keys", "create", "--account", "shop").stdout.strip()
    assert plain.startswith("imk_live_")
    rows = list_keys(gateway, "shop")
    assert [row["name"] for row in rows] == ["till", "key"]
    assert (rows[0]["id"], rows[0]["state"], rows[0]["spent"]) == (made["id"], "live", "0")
    assert rows[0]["expires"] == "2099-01-31T03:00:00+00:00"
    assert (rows[1]["cap"], rows[1]["daily_cap"], rows[1]["expires"], rows[1]["disabled"]) == (None,) * 4
    for text in (json.dumps(rows), gateway.run("keys", "list", "--account", "shop").stdout):
        assert made["key"] not in text
        assert plain not in text
        assert made["key"][:13] in text
    for file in place.data.rglob("*"):
        assert not file.is_file() or made["key"].encode() not in file.read_bytes(), file


@pytest.mark.parametrize("scope", ["images:write", "tasks:read", "billing:read", "files:write", "admin"])
def test_keys_create_takes_the_scopes_by_their_names(place: Gateway, scope: str) -> None:
    done = place.run("keys", "create", "--account", "a", "--scope", scope, "--json", check=False)
    assert done.returncode == 0, done.stderr


def test_grants_are_exact_and_can_be_taken_back(place: Gateway) -> None:
    gateway = place
    gateway.run("keys", "create", "--account", "shop", "--credits", "68")
    assert "136 credits ($2)" in gateway.run("credits", "grant", "--account", "shop", "68").stdout
    gateway.run("keys", "create", "--account", "round", "--credits", "500", "--cap", "100", "--daily-cap", "50")
    assert "round has 750 credits ($11.0294)" in gateway.run("credits", "grant", "--account", "round", "250").stdout
    assert "  cap=100  daily_cap=50" in gateway.run("keys", "list", "--account", "round").stdout
    assert list_keys(gateway, "round")[0]["daily_cap"] == "50.000000024"  # exact for programs
    gateway.run("credits", "grant", "--account", "shop", "-68.5")
    assert "68 credits ($1)" in gateway.run("credits", "grant", "--account", "shop", "0.5").stdout
    refused = gateway.run("credits", "grant", "--account", "shop", "-68.1", check=False)
    assert refused.returncode == 1
    assert refused.stderr == "imagegate: shop has 68 credits: 68.1 cannot be taken back\n"
    assert len(list_keys(gateway, "shop")) == 1
    gateway.check()


def test_a_negative_grant_needs_no_trick(place: Gateway) -> None:
    gateway = place
    gateway.run("keys", "create", "--account", "shop", "--credits", "68")
    done = gateway.run("credits", "grant", "--account", "shop", "-34", check=False)
    assert done.returncode == 0, done.stderr
    assert "34 credits ($0.5)" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "create", "--account", "a", "--credits", "1e3"),
        ("keys", "create", "--account", "a", "--credits", "many"),
        ("keys", "create", "--account", "a", "--cap", "--5"),
        ("keys", "create", "--account", "a", "--expires", "soon"),
        ("keys", "create"),
        ("credits", "grant", "--account", "a", "1,000"),
        ("keys", "create", "--account", "a", "--credits", "9" * 24),
    ],
)
def test_exit_code_2_for_operators_mistakes(place: Gateway, arguments: tuple[str, ...]) -> None:
    place.run("keys", "create", "--account", "a")
    done = place.run(*arguments, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == 2, done.stderr
    assert done.stderr


def test_exit_code_1_for_what_is_not_there(place: Gateway) -> None:
    gateway = place
    gateway.run("keys", "create", "--account", "a")
    for arguments in (
        ("keys", "list", "--account", "b"),
        ("keys", "disable", "--account", "b", "key_x"),
        ("keys", "disable", "--account", "a", "key_x"),
        ("credits", "grant", "--account", "b", "1"),
    ):
        done = gateway.run(*arguments, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("imagegate: ")


def test_a_disabled_key_is_refused_within_5_seconds(gateway: Gateway) -> None:
    made = json.loads(gateway.run("keys", "create", "--account", "a", "--credits", "5", "--json").stdout)
    with gateway.client(made["key"]) as client:
        assert client.get("/v1/credits").status_code == 200
        gateway.run("keys", "disable", "--account", "a", made["id"])
        give_up = time.monotonic() + 30
        while client.get("/v1/credits").status_code == 200:
            assert time.monotonic() < give_up
            time.sleep(0.05)
        assert client.get("/v1/credits").status_code == 401
    row = next(row for row in list_keys(gateway, "a") if row["id"] == made["id"])
    assert row["state"] == "ended"
    assert row["disabled"]
    gateway.run("keys", "disable", "--account", "a", made["id"])
    assert next(row for row in list_keys(gateway, "a") if row["id"] == made["id"])["disabled"] == row["disabled"]


def test_a_key_made_beside_a_serving_gateway_works_at_once(gateway: Gateway) -> None:
    key = gateway.new_key("beside", "68")
    answer = httpx.get(f"{gateway.url}/v1/credits", headers={"Authorization": f"Bearer {key}"}, timeout=60).json()
    assert answer["data"]["user"]["exact"]["remaining"] == {"credits": "68", "usd": "1", "nanos": "1000000000"}


def test_check_is_silent_about_a_good_database(used: Gateway) -> None:
    answer = used.check()
    assert answer["broken"] == []
    assert answer["invariants"] > 10
    assert f"all {answer['invariants']} invariants hold" in used.run("check").stdout


BREAKS = {
    "I1": "UPDATE entries SET amount = amount + 1 WHERE account = 'sys:bank'",
    "I2.posted": "UPDATE accounts SET posted = posted + 1",
    "I2.held": "UPDATE accounts SET held = held + 1",
    "I2.key": "UPDATE api_keys SET held = held + 1",
    "I4": "UPDATE holds SET state = 'released', charge = 0",
    "I5": "UPDATE tasks SET charge = charge + 1",
    "I6.settled": "DELETE FROM entries WHERE ref LIKE 'settle:%'",
    "I7.claims": "UPDATE tasks SET claim_no = claim_no + 1",
    "I7.attempts": "UPDATE attempts SET outcome = 'sending'",
    "I8": "UPDATE assets SET commit_id = 'cmt_other'",
    "I9": "UPDATE task_steps SET state = 'failed' WHERE seq = 1",
    "I11": "UPDATE tasks SET state = 'queued', deadline = 1",
    "I13": "UPDATE assets SET expires = expires + 1",
    "I15": "INSERT INTO accounts (id, name, created) VALUES ('acc_x', 'x', 1); UPDATE assets SET account_id = 'acc_x'",
}


@pytest.mark.parametrize(
    "broken",
    [
        ("I1", "I2.held", "I2.key", "I4", "I7.claims", "I8", "I13"),
        ("I2.posted", "I5", "I6.settled", "I7.attempts", "I9", "I15"),
        ("I11",),
    ],
    ids=lambda names: names[0],
)
def test_check_names_the_invariants_and_the_rows(used: Gateway, tmp_path: Path, broken: tuple[str, ...]) -> None:
    shutil.copytree(used.data, tmp_path / "copy")
    database = apsw.Connection(str(tmp_path / "copy" / "imagegate.db"))
    for name in broken:
        database.execute(BREAKS[name])
    database.close()
    done = Gateway(tmp_path / "copy").run("check", "--json", check=False)
    assert done.returncode == 1
    found = {one["id"]: one for one in json.loads(done.stdout)["broken"]}
    for name in broken:
        assert name in found
        assert found[name]["rows"]
        assert found[name]["says"]


def test_check_prints_the_rows_for_people_too(used: Gateway, tmp_path: Path) -> None:
    shutil.copytree(used.data, tmp_path / "copy")
    database = apsw.Connection(str(tmp_path / "copy" / "imagegate.db"))
    database.execute(BREAKS["I2.posted"])
    database.close()
    done = Gateway(tmp_path / "copy").run("check", check=False)
    assert done.returncode == 1
    assert "I2.posted broken: posted is the sum of the account's entries" in done.stdout
    assert "posted=" in done.stdout


@pytest.mark.parametrize("kind", ["empty", "absent", "empty file", "another database"])
def test_commands_of_the_operator_refuse_a_folder_without_a_database_and_make_nothing(
    tmp_path: Path, kind: str
) -> None:
    data = tmp_path / "data"
    if kind != "absent":
        data.mkdir(mode=0o700)
    if kind == "empty file":
        (data / "imagegate.db").touch()
    env = {"IMAGEGATE_DATABASE": str(data / "other.db")} if kind == "another database" else {}
    gateway, before = Gateway(data, env=env), sorted(tmp_path.rglob("*"))
    commands = [
        ("keys", "create", "--account", "a", "--credits", "5"),
        ("keys", "list", "--account", "a"),
        ("keys", "disable", "--account", "a", "key_x"),
        ("credits", "grant", "--account", "a", "1"),
        ("credits", "refund", "task-unified-1-aaaaaaaa"),
        ("secret", "accept", "--yes"),
        ("secret", "rotate", "--yes"),
        ("upstreams", "reset", "embedded"),
        ("keys", "delete", "--account", "a", "key_x"),
        ("accounts", "list"),
        ("accounts", "show", "a"),
        ("accounts", "close", "a"),
        ("accounts", "reopen", "a"),
        ("margin",),
        ("audit",),
    ]
    if kind != "empty file":
        commands += [
            ("doctor",),
            ("check",),
            ("backup", "create", str(tmp_path / "backup")),
            ("copy", "--from", str(data), "--to", str(tmp_path / "copied")),
        ]
    for arguments in commands:
        done = gateway.run(*arguments, check=False)
        assert (done.returncode, done.stdout) == (2, ""), (arguments, done.stderr)
        assert done.stderr.startswith("imagegate: no database "), arguments
        assert done.stderr.endswith("or start a gateway there first\n"), arguments
        assert done.stderr.count("\n") == 1, arguments
        assert str(data) in done.stderr, arguments
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] == []


def test_check_and_doctor_work_beside_a_serving_gateway(gateway: Gateway) -> None:
    assert gateway.check()["broken"] == []
    assert "FAIL" not in gateway.run("doctor").stdout


def test_doctor_reports_each_part(used: Gateway) -> None:
    text = used.run("doctor").stdout
    for part in ("catalog", "secret", "database", "disk", "address"):
        assert f"ok    {part}: " in text
    assert used.key not in text
    assert (used.data / "secret").read_text().strip() not in text


def run_failing(data: Path, env: Mapping[str, str] | None = None) -> str:
    done = Gateway(data, env=env).run("doctor", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_doctor_says_what_is_amiss(used: Gateway, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(used.data, copy)
    (copy / "secret").chmod(0o644)
    assert "FAIL  secret: " in run_failing(copy)
    assert "chmod 600" in run_failing(copy)
    (copy / "secret").chmod(0o600)
    assert "FAIL  secret: " in run_failing(copy, {"IMAGEGATE_SECRET": "short"})
    full = {"IMAGEGATE_MIN_FREE_BYTES": str(2**60), "IMAGEGATE_MIN_FREE_PERCENT": "100"}
    assert "FAIL  disk: " in run_failing(copy, full)
    (copy / "imagegate.db").write_bytes(b"this is not a database, " * 200)
    assert "FAIL  database: " in run_failing(copy)


def test_doctor_names_a_setting_that_cannot_be_used(tmp_path: Path) -> None:
    for name, value in (("LEASE_S", "0"), ("PORT", "99999"), ("WORKERS", "many")):
        told = run_failing(tmp_path, {f"IMAGEGATE_{name}": value})
        assert told.startswith(f"imagegate: IMAGEGATE_{name} is {value!r}: must be ")
        assert told.count("\n") == 1


def test_a_data_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for arguments, code in ((("serve", "--port", "0"), 1), (("keys", "create", "--account", "a"), 2), (("doctor",), 2)):
        done = Gateway(file).run(*arguments, check=False)
        assert done.returncode == code, (arguments, done.stderr)
        assert done.stderr.count("\n") == 1, arguments
        assert str(file) in done.stderr


def test_an_option_that_was_not_given_hides_no_variable(tmp_path: Path) -> None:
    with Gateway(tmp_path, env={"IMAGEGATE_EGRESS_ALLOW": "127.0.0.1/32:61999"}) as gateway, gateway.client() as client:
        sent = client.post("/v1/webhooks/test", json={"callback_url": "https://127.0.0.1:61999/"})
        assert sent.status_code == 200, sent.text
