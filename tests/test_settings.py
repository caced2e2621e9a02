"""Where settings come from, which source wins, and what earlier releases called them."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from imagegate.settings import GROUPS, LOG_LEVELS, RENAMED, SettingsError, load_settings
from tests.support.gateway import Gateway


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "gateway.toml"


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_default(toml: Path) -> None:
    toml.write_text("[server]\nport = 1\n[work]\nworkers = 1\nlease_s = 1\n")
    env = {"IMAGEGATE_PORT": "2", "IMAGEGATE_WORKERS": "2"}
    settings = load_settings(toml, env, {"port": 3, "workers": None})
    assert (settings.server.port, settings.work.workers, settings.work.lease_s) == (3, 2, 1.0)
    assert settings.work.poll_s == 5.0


def test_lists_in_the_environment_are_written_with_commas() -> None:
    settings = load_settings(env={"IMAGEGATE_WEBHOOK_RETRY_S": "5, 300", "IMAGEGATE_EGRESS_DENY": "10.0.0.0/8,"})
    assert settings.work.webhook_retry_s == (5.0, 300.0)
    assert settings.limits.egress_deny == ("10.0.0.0/8",)


def test_a_variable_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "database"
    file.write_text("postgresql://gateway:word@db/imagegate\n")
    env = {"IMAGEGATE_DATABASE_FILE": str(file)}
    assert load_settings(env=env).storage.database == "postgresql://gateway:word@db/imagegate"
    assert load_settings(env={**env, "IMAGEGATE_DATABASE": "other"}).storage.database == "other"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "bytes"])
def test_a_file_of_a_variable_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    done = Gateway(tmp_path / "data", env={"IMAGEGATE_METRICS_TOKEN_FILE": str(file)}).run("doctor", check=False)
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[work]\nworkerz = 1", "workerz"),
        ("[nothing]\na = 1", "nothing"),
        ('[server]\nport = "x"', "port"),
        ("port = ", "not valid TOML"),
        ("[server]\nport = 70000", "setting port must be 0 to 65535"),
        ('[server]\nlog_format = "xml"', "setting log_format must be one of auto, console, json"),
        ('[server]\nlog_level = "loud"', "setting log_level must be one of debug, info, warning, error, critical"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(toml: Path, text: str, message: str) -> None:
    toml.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load_settings(toml, {})


def test_every_log_level_is_one_of_the_standard_library() -> None:
    for level in LOG_LEVELS:
        assert load_settings(env={"IMAGEGATE_LOG_LEVEL": level}).server.log_level == level
        assert level.upper() in logging.getLevelNamesMapping()


@pytest.mark.parametrize("old", RENAMED)
def test_old_names_still_work_in_the_file_and_in_the_environment(toml: Path, old: str) -> None:
    group, default = next(
        (name, getattr(kind(), RENAMED[old])) for name, kind in GROUPS.items() if RENAMED[old] in kind.__struct_fields__
    )
    value: object = [9.0] if isinstance(default, tuple) else "9" if isinstance(default, str) else 9
    expected = (9.0,) if isinstance(default, tuple) else value
    toml.write_text(f"[{group}]\n{old} = {json.dumps(value)}\n")
    for settings in (load_settings(toml, {}), load_settings(env={f"IMAGEGATE_{old.upper()}": "9"})):
        assert getattr(getattr(settings, group), RENAMED[old]) == expected
        assert settings.old_names == (old,)
    assert load_settings(env={f"IMAGEGATE_{RENAMED[old].upper()}": "9"}).old_names == ()


def test_the_new_name_wins_in_the_same_source_and_the_source_decides_otherwise(toml: Path) -> None:
    toml.write_text("[work]\nmax_crashes = 4\ncrashes_max = 5\n")
    assert load_settings(toml, {}).work.max_crashes == 4
    assert load_settings(toml, {"IMAGEGATE_CRASHES_MAX": "6"}).work.max_crashes == 6
    both = {"IMAGEGATE_CRASHES_MAX": "6", "IMAGEGATE_MAX_CRASHES": "7"}
    assert load_settings(toml, both).work.max_crashes == 7
    assert load_settings(toml, both).old_names == ("crashes_max",)


def test_an_old_name_is_warned_of_once_at_the_start_and_by_doctor(tmp_path: Path) -> None:
    with Gateway(tmp_path / "data", env={"IMAGEGATE_CRASHES_MAX": "4"}) as gateway:
        report = gateway.run("doctor").stdout
    lines = [json.loads(line) for line in gateway.output if "setting_renamed" in line]
    assert [(line["level"], line["setting"], line["new_name"]) for line in lines] == [
        ("warning", "crashes_max", "max_crashes")
    ]
    assert report.count("warn  settings: crashes_max is now called max_crashes") == 1


@pytest.mark.parametrize(
    ("storage", "folder"),
    [
        ("", "/data/blobs"),
        ("/elsewhere", "/elsewhere"),
        ("file:///with%20space", "/with space"),
        ("s3://bucket", None),
        ("s3://bucket/a/b/", None),
        ("gs://some_bucket/prefix", None),
        ("az://container/prefix", None),
    ],
)
def test_storage_is_a_folder_or_a_bucket(storage: str, folder: str | None) -> None:
    settings = load_settings(env={"IMAGEGATE_DATA": "/data", "IMAGEGATE_STORAGE": storage})
    assert settings.blob_dir == (folder and Path(folder))


@pytest.mark.parametrize(
    "storage",
    [
        "s3:",
        "s3:/bucket",
        "s3://",
        "s3:///prefix",
        "s3://key:secret@bucket",
        "s3://bucket:9000/x",
        "s3://bucket/../other",
        "s3://bucket/a//b",
        "s3://bucket/x?versionId=1",
        "S3://bucket",
        "http://bucket",
        "file://relative",
        "ftp://x",
    ],
)
def test_what_is_no_storage_is_refused_without_repeating_it(storage: str) -> None:
    with pytest.raises(SettingsError, match="setting storage must be a folder") as refused:
        load_settings(env={"IMAGEGATE_STORAGE": storage})
    assert "secret" not in str(refused.value)


def test_links_redirect_only_from_a_bucket() -> None:
    redirect = {"IMAGEGATE_STORAGE_LINKS": "redirect"}
    assert load_settings(env={**redirect, "IMAGEGATE_STORAGE": "s3://bucket"}).storage.storage_links == "redirect"
    for env in (redirect, {"IMAGEGATE_STORAGE_LINKS": "proxy"}):
        with pytest.raises(SettingsError, match="setting storage_links must be"):
            load_settings(env=env)
