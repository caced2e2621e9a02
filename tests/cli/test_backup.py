"""`imagegate backup` and `imagegate copy`: what is in a backup, what is refused, and what a restored place serves."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import Gateway
from tests.support.image_files import PNG, b64

BODY = {"prompt": "logo", "size": "816x816", "quality": "low"}
WAIT = {"Prefer": "wait=60"}


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """An installation that has served one image and one upload and stands still."""
    with Gateway(tmp_path_factory.mktemp("used")) as gateway, gateway.client() as client:
        assert client.post("/v1/images/generations", json=BODY, headers=WAIT).json()["status"] == "completed"
        client.post("/api/v1/files/upload/base64", json={"base64_data": b64(PNG)}).raise_for_status()
    return gateway


@pytest.fixture(scope="module")
def kept(used: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it. Tests that change one take a copy."""
    folder = tmp_path_factory.mktemp("kept") / "backup"
    used.run("backup", "create", str(folder))
    return folder


@pytest.fixture
def backup(kept: Path, tmp_path: Path) -> Path:
    return shutil.copytree(kept, tmp_path / "backup")


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refuse(gateway: Gateway, *arguments: str, code: int = 1) -> str:
    done = gateway.run(*arguments, check=False)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_backup_is_private_whole_and_says_what_it_holds(used: Gateway, kept: Path) -> None:
    manifest = json.loads((kept / "manifest.json").read_text())
    assert {path.name for path in kept.iterdir()} == {"manifest.json", "imagegate.db", "secret", "blobs"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (kept, *kept.rglob("*")))
    assert manifest["rows"]["tasks"] == 1
    assert (manifest["images"], manifest["missing"], manifest["ended"]) == (2, [], 0)
    assert manifest["database_sha256"] == hashlib.sha256((kept / "imagegate.db").read_bytes()).hexdigest()
    assert (kept / "secret").read_text() == (used.data / "secret").read_text()
    doctor = used.run("doctor").stdout
    assert "backup: the last one is 0.0 hours old" in doctor


def test_a_backup_is_verified_where_nothing_is_left_behind(used: Gateway, kept: Path) -> None:
    """On this machine alone, wherever the installation has its rows and images."""
    elsewhere = {"DATABASE": "postgresql://nowhere/x", "STORAGE": "s3://nowhere/x", "STORAGE_LINKS": "redirect"}
    machine = Gateway(used.data, env={f"IMAGEGATE_{name}": value for name, value in elsewhere.items()})
    before = digests(kept)
    said = machine.run("backup", "verify", str(kept)).stdout
    assert "is good: all invariants hold, every image is there, a quote is $" in said
    assert digests(kept) == before
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_backup_that_is_older_than_its_images_is_still_good(used: Gateway, backup: Path) -> None:
    """Nobody serves it: that its images and tasks are overdue says nothing about it."""
    with contextlib.closing(sqlite3.connect(backup / "imagegate.db")) as db, db:
        db.execute("UPDATE tasks SET results_expire = 1000000, deadline = 1")
        db.execute("UPDATE assets SET expires = 1000000 WHERE kind = 'result'")
    manifest = json.loads((backup / "manifest.json").read_text())
    manifest["database_sha256"] = hashlib.sha256((backup / "imagegate.db").read_bytes()).hexdigest()
    (backup / "manifest.json").write_text(json.dumps(manifest))
    assert "is good" in used.run("backup", "verify", str(backup)).stdout


def damage_image(folder: Path) -> None:
    file = next((folder / "blobs" / "t").rglob("*.png"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")


def lose_image(folder: Path) -> None:
    next((folder / "blobs" / "t").rglob("*.png")).unlink()


def damage_database(folder: Path) -> None:
    file = folder / "imagegate.db"
    file.write_bytes(file.read_bytes()[:-1] + b"x")


def lose_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def damage_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def change_secret(folder: Path) -> None:
    (folder / "secret").write_text("0" * 64)


def upgrade_format(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"format": 2}')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_image, "I12.bytes"),
        (lose_image, "missing or damaged"),
        (damage_database, "SHA-256"),
        (lose_manifest, "is no backup"),
        (damage_manifest, "is damaged"),
        (upgrade_format, "format 2"),
    ],
)
def test_a_damaged_backup_is_found(used: Gateway, backup: Path, damage: Any, said: str) -> None:
    damage(backup)
    done = used.run("backup", "verify", str(backup), check=False)
    assert done.returncode == 1, done
    assert said in done.stdout + done.stderr
    assert not list(backup.parent.glob(".verify-*"))


def test_a_backup_with_another_secret_is_refused(used: Gateway, backup: Path, tmp_path: Path) -> None:
    change_secret(backup)
    assert "the secret is not the one" in refuse(used, "backup", "verify", str(backup), code=2)
    place = Gateway(tmp_path / "place")
    assert "the secret is not the one" in refuse(place, "backup", "restore", str(backup))
    assert list((tmp_path / "place").iterdir()) == [], "it can be tried again"


def test_a_restored_installation_serves_what_the_first_one_did(used: Gateway, kept: Path, tmp_path: Path) -> None:
    place = Gateway(tmp_path / "place")
    place.run("backup", "restore", str(kept))
    assert place.run("check", "--deep").stdout.startswith("all ")
    assert place.data.stat().st_mode & 0o077 == 0
    with place, place.client((used.data / "demo-key").read_text().strip()) as client:
        listed = client.get("/v1/tasks").json()
        [task] = listed.get("data") or listed["tasks"]
        [link] = client.get(f"/v1/tasks/{task['id']}").json()["results"]
        assert httpx.get(link).status_code == 200
        assert "imagegate_backup_age_seconds" in client.get("/metrics").text
        assert client.post("/v1/images/generations", json=BODY, headers=WAIT).json()["status"] == "completed"
    place.run("check", "--deep")


def test_nothing_is_restored_over_something(used: Gateway, kept: Path, tmp_path: Path) -> None:
    before = digests(used.data)
    assert "not empty" in refuse(used, "backup", "restore", str(kept))
    assert digests(used.data) == before
    other = Gateway(tmp_path / "other", env={"IMAGEGATE_STORAGE": str(used.data / "blobs")})
    assert "not empty" in refuse(other, "backup", "restore", str(kept))
    file = Gateway(tmp_path / "other", env={"IMAGEGATE_DATABASE": str(used.data / "imagegate.db")})
    assert "not empty" in refuse(file, "backup", "restore", str(kept))
    assert digests(used.data) == before


def test_a_backup_goes_into_a_folder_of_its_own(used: Gateway, kept: Path) -> None:
    before = digests(kept)
    assert "not empty" in refuse(used, "backup", "create", str(kept))
    assert digests(kept) == before


def test_a_secret_of_the_environment_is_named_and_needed(tmp_path: Path) -> None:
    secret = {"IMAGEGATE_SECRET": "7" * 64}
    gateway = Gateway(tmp_path / "data", env=secret)
    gateway.run("migrate")
    gateway.run("keys", "create", "--account", "shop")
    made = gateway.run("backup", "create", str(tmp_path / "backup"))
    assert "the secret is in the environment and not in the backup" in made.stderr
    assert not (tmp_path / "backup" / "secret").exists()
    assert "set IMAGEGATE_SECRET" in refuse(Gateway(tmp_path / "one"), "backup", "restore", str(tmp_path / "backup"))
    other = Gateway(tmp_path / "two", env={"IMAGEGATE_SECRET": "8" * 64})
    assert "the secret is not the one" in refuse(other, "backup", "restore", str(tmp_path / "backup"))
    place = Gateway(tmp_path / "three", env=secret)
    place.run("backup", "restore", str(tmp_path / "backup"))
    assert not (place.data / "secret").exists()
    assert len(json.loads(place.run("keys", "list", "--account", "shop", "--json").stdout)) == 1


def test_an_image_that_the_installation_has_lost_is_named(used: Gateway, tmp_path: Path) -> None:
    data = shutil.copytree(used.data, tmp_path / "data")
    gateway = Gateway(data)
    lose_image(data)
    assert "1 images are missing or damaged in the installation" in refuse(
        gateway, "backup", "create", str(tmp_path / "backup")
    )
    manifest = json.loads((tmp_path / "backup" / "manifest.json").read_text())
    assert len(manifest["missing"]) == 1
    place = Gateway(tmp_path / "place")
    place.run("backup", "restore", str(tmp_path / "backup"))


def test_an_installation_is_copied_and_the_source_stays_as_it_was(used: Gateway, tmp_path: Path) -> None:
    before = digests(used.data)
    place = Gateway(tmp_path / "place")
    said = place.run("copy", "--from", str(used.data)).stdout
    assert "copied to" in said
    assert digests(used.data) == before
    assert place.run("check", "--deep").stdout.startswith("all ")
    assert "not empty" in refuse(place, "copy", "--from", str(used.data))


def test_an_installation_that_is_served_is_not_copied(tmp_path: Path) -> None:
    with Gateway(tmp_path / "data") as served:
        place = Gateway(tmp_path / "place")
        assert "stop it first" in refuse(place, "copy", "--from", str(served.data))
        assert not place.data.exists()
        served.run("backup", "create", str(tmp_path / "backup"))
        served.kill()
        before = {name: digest for name, digest in digests(served.data).items() if not name.endswith("-shm")}
        place.run("copy", "--from", str(served.data))
        after = {name: digest for name, digest in digests(served.data).items() if not name.endswith("-shm")}
        assert after == before, "the log of a killed gateway too"
    place.run("check", "--deep")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("copy", "--from", "{tmp}/nothing"), 2, "no database in {tmp}/nothing; name the data folder with --from"),
        (("copy", "--from", "postgresql://localhost/x"), 2, "--from-storage"),
        (("backup", "create", "{tmp}/backup"), 2, "no database in {tmp}/place"),
        (("backup", "verify", "{tmp}/no/backup"), 1, "is no backup"),
        (("backup", "restore", "{tmp}/no/backup"), 1, "is no backup"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_made(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    place = Gateway(tmp_path / "place")
    assert said.format(tmp=tmp_path) in refuse(place, *(word.format(tmp=tmp_path) for word in arguments), code=code)
    assert list(tmp_path.rglob("*")) == []
