"""Where settings come from, which source wins, and what earlier releases called them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
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


@pytest.mark.parametrize("content", [b"\xff", b"port = ", b"= 1", b"a = 1\na = 2", None], ids=str)
def test_a_file_that_is_no_toml_is_named_with_its_place(toml: Path, content: bytes | None) -> None:
    if content is not None:
        toml.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        load_settings(toml, {})
    (line,) = refused.value.problems
    assert line.startswith((f"{toml} is not valid TOML: ", f"cannot read {toml}: No such file"))
    assert "\n" not in line


FIELDS = [(group, field) for group, kind in GROUPS.items() for field in kind.__struct_fields__]
# What no setting accepts, beside which each kind has some of its own.
ABSURD = {int: [-1, 10**30, "x", 1.5, True], float: [-1, 10**30, "nan", "inf", "1e999", "x", True], str: ["a\nb", 5]}


@pytest.mark.parametrize(("group", "field"), FIELDS)
def test_every_setting_has_bounds_that_are_named_with_value_and_source(toml: Path, group: str, field: str) -> None:
    default = getattr(GROUPS[group](), field)
    if isinstance(default, bool):
        refused: list[object] = ["yes", "", 2, "maybe"]
    elif isinstance(default, tuple):
        refused = [["a b\n"], [[]], {"a": 1}, ["x" * 9000 + " "]]
    else:
        refused = ABSURD[type(default)]
    for value in refused:
        toml.write_text(f"[{group}]\n{field} = {_toml(value)}\n")
        (line,) = problems_of(toml)
        assert line.startswith(f"{toml}: [{group}] {field} "), line
        assert re.search(r"(must|each) be |each must be ", line), line
        assert len(line) < 600, line
        assert "\n" not in line
        if isinstance(value, str):
            (line,) = problems_of(None, {f"IMAGEGATE_{field.upper()}": value})
            assert line.startswith(f"IMAGEGATE_{field.upper()} "), line


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ a = 1 }"
    return "inf" if value == "inf" else json.dumps(value)


def problems_of(file: Path | None, env: Mapping[str, str] = {}, **options: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        load_settings(file, env, options)
    return refused.value.problems


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""),
        ("host", "http://x"),
        ("host", "[::1]"),
        ("host", "a b"),
        ("allowed_hosts", "https://x"),
        ("allowed_hosts", "x/y"),
        ("allowed_hosts", "*"),
        ("allowed_hosts", "x:99999"),
        ("public_url", "images.example.com"),
        ("public_url", "https://"),
        ("public_url", "https://x/"),
        ("public_url", "https://x/path"),
        ("public_url", "https://x?a=b"),
        ("public_url", "https://x#a"),
        ("public_url", "https://me:pw@x"),
        ("public_url", "https://x:0"),
        ("public_url", "ftp://x"),
        ("public_url", "https://x y"),
        ("data", ""),
        ("database", "mysql://x/y"),
        ("database", "postgresql://"),
        ("database", "host=db dbname=x password=hidden"),
        ("spool", "s3://bucket/x"),
        ("auto_cap", "big"),
        ("auto_cap", "10x10"),
        ("auto_cap", "99999x99999"),
        ("price_files", "\x01,a"),
        ("egress_allow", "127.0.0.1"),
        ("egress_allow", "127.0.0.1/32:99999"),
        ("egress_deny", "10.0.0.1/8"),
        ("egress_ports", "22"),
        ("egress_ports", "99999"),
        ("egress_contact", "a\nb"),
        ("dns_servers", "dns.example.com"),
        ("trusted_proxies", "proxy"),
        ("openai_models", "dall-e-3"),
        ("openai_cors_origins", "https://x/"),
        ("repeat_usd_per_day", "-5"),
        ("repeat_usd_per_day", ""),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("log_level", ""),
        ("storage_links", "proxy"),
        ("port", ""),
        ("metrics", ""),
    ],
)
def test_what_no_range_tells_is_refused(field: str, value: str) -> None:
    (line,) = problems_of(None, {f"IMAGEGATE_{field.upper()}": value})
    assert line.startswith(f"IMAGEGATE_{field.upper()} "), line
    assert "hidden" not in line
    assert ":pw@" not in line


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", "::1"),
        ("host", "gateway_1.internal"),
        ("allowed_hosts", "a.example.com,[::1]:8000,10.0.0.1"),
        ("public_url", "http://[::1]:8000"),
        ("public_url", "https://images.example.com"),
        ("database", "postgresql://user:pw@h1:5432,h2:5433/name?target_session_attrs=read-write"),
        ("database", "/var/lib/images.db"),
        ("egress_allow", "127.0.0.1/32:9000,fd00::/8"),
        ("egress_ports", "8443"),
        ("auto_cap", "1024x1536"),
        ("log_level", "WARNING"),
        ("repeat_usd_per_day", "0.50"),
    ],
)
def test_what_is_unusual_and_right_is_accepted(field: str, value: str) -> None:
    load_settings(env={f"IMAGEGATE_{field.upper()}": value})


def test_no_workers_is_an_option_and_not_a_number() -> None:
    (line,) = problems_of(None, {"IMAGEGATE_WORKERS": "0"})
    assert line.startswith("IMAGEGATE_WORKERS is '0': must be a whole number from 1 ")
    assert line.endswith("imagegate serve --no-workers")


def test_a_refusal_names_the_option_or_the_file_of_a_variable(tmp_path: Path) -> None:
    assert problems_of(None, port="abc") == ("--port is 'abc': must be a whole number from 0 to 65535",)
    (line,) = problems_of(None, egress_allow=("1.2.3.4",))
    assert line.startswith("--egress-allow has '1.2.3.4': each must be CIDR[:PORT]")
    file = tmp_path / "port"
    file.write_text("many\n")
    (line,) = problems_of(None, {"IMAGEGATE_PORT_FILE": str(file)})
    assert line == f"{file} (IMAGEGATE_PORT_FILE) is 'many': must be a whole number from 0 to 65535"


def test_secrets_are_not_shown(toml: Path) -> None:
    env = {"IMAGEGATE_METRICS_TOKEN": "hidden", "IMAGEGATE_DATABASE": "mysql://u:hid/den@h/x?password=hidden"}
    for line in problems_of(None, env):
        assert "hid" not in line
    toml.write_text('[[upstream]]\nname = "a"\nprotocol = "openai"\napi_key = "hidden"\n')
    (line,) = problems_of(toml)
    assert line == f"{toml}: [[upstream]] 'a' has no field 'api_key'; did you mean 'api_key_env'?"


def test_all_faults_are_told_at_once_and_the_first_in_one_line(toml: Path) -> None:
    toml.write_text('[server]\nport = -1\nhost = ""\n[nothing]\n[[upstream]]\n')
    with pytest.raises(SettingsError, match=r"^[^\n]+ \(and 5 more: see imagegate config check\)$") as refused:
        load_settings(toml, {"IMAGEGATE_POLL_S": "soon"})
    assert len(refused.value.problems) == 6  # nothing, port, host, poll_s, name and protocol


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server]\nprot = 1", "[server] has no setting 'prot'; did you mean 'port'?"),
        ("[server]\nlease_s = 1", "[server] has no setting 'lease_s'; it belongs in [work]"),
        ("[server]\ncalls = 1", "[server] has no setting 'calls'"),
        ("port = 1", "there is no setting 'port' outside of a group; it belongs in [server]"),
        ("[sever]\nport = 1", "there is no group [sever]; did you mean 'server'?"),
        ("server = 1", "server is 1: must be a group, [server]"),
        ("[upstream]\nname = 'a'", "upstream must be written as tables, each [[upstream]]"),
        ("[[alias]]\nname = 'a'\nrow = 5", "[[alias]] 'a': row is 5: must be a text in quotes"),
        ("[[alias]]\nname = 'a'", "[[alias]] 'a': row is missing"),
    ],
)
def test_a_name_that_no_setting_has_is_refused_with_what_was_meant(toml: Path, text: str, told: str) -> None:
    toml.write_text(text)
    (line,) = problems_of(toml)
    assert line == f"{toml}: {told}"


UPSTREAM = {"name": "azure-eu", "protocol": "openai"}
ROUTE = {"model": "gpt-image-2", "upstream": "azure-eu", "cost_per_image": "0.03"}


@pytest.mark.parametrize(
    ("key", "fields", "told"),
    [
        ("upstream", {"protocol": "opnai"}, "protocol is 'opnai': must be one of openai, task_api, fal, "),
        ("upstream", {"name": "A b"}, "name is 'A b': must be a-z, 0-9"),
        ("upstream", {"timeout_s": 0}, "timeout_s is 0: must be a number above 0"),
        ("upstream", {"concurrency": -1}, "concurrency is -1: must be a whole number from 0 "),
        ("upstream", {"on_unknown": "hope"}, "on_unknown is 'hope': must be one of wait, retry, fail"),
        ("upstream", {"api_key_env": "sk-live hidden"}, "api_key_env is "),
        ("upstream", {"override": 5}, "override is 5: must be a table"),
        ("route", {"model": 5}, "must be a text in "),
        (
            "route",
            {"cost_per_image": 0.03},
            'cost_per_image is 0.03: must be an amount of USD in quotes such as "0.03"',
        ),
        ("route", {"cost_per_image": {}}, "cost_per_image is {}: must be an amount"),
        ("route", {"max_n": 0}, "max_n is 0: must be a whole number from 1 "),
        ("route", {"sizes": ["1024*1024"]}, "sizes has '1024*1024': each must be auto, a ratio"),
        ("route", {"enabled": "perhaps"}, "enabled is 'perhaps': must be true or false"),
        ("route", {"output_formats": ["gif"]}, "output_formats has 'gif': each must be one of png, jpeg, webp"),
        ("route", {"enabeld": True}, "has no field 'enabeld'; did you mean 'enabled'?"),
    ],
)
def test_tables_are_called_by_their_names(toml: Path, key: str, fields: dict[str, object], told: str) -> None:
    row = {**(UPSTREAM if key == "upstream" else ROUTE), **fields}
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in row.items())
    toml.write_text(f"[[{key}]]\n{text}")
    (line,) = problems_of(toml)
    name = (
        repr(row["name"]) if key == "upstream" else f"{row['model']!r} to 'azure-eu'" if "model" not in fields else ""
    )
    assert line.startswith(f"{toml}: [[{key}]] {name}"), line
    assert told in line


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("IMAGEGATE_PROT", "; did you mean 'IMAGEGATE_PORT'?"),
        ("IMAGEGATE_port", "; did you mean 'IMAGEGATE_PORT'?"),
        ("IMAGEGATE_DATABSE_FILE", "; did you mean 'IMAGEGATE_DATABASE_FILE'?"),
        ("IMAGEGATE_", ""),
        ("IMAGEGATE_QQQQ", ""),
    ],
)
def test_an_unknown_variable_is_refused_with_what_was_meant(name: str, told: str) -> None:
    (line,) = problems_of(None, {name: "80"})
    assert line.startswith(f"{name} is not a variable of this program")
    assert line.endswith(told)


def test_variables_of_the_client_and_of_documents_are_known() -> None:
    names = ("URL", "API_KEY", "CONFIG", "SECRET", "SECRET_FILE", "SECRET_NEXT_FILE", "KEY", "WEBHOOK_SECRET")
    env = {f"IMAGEGATE_{name}": "x" for name in names}
    assert load_settings(env={**env, "_IMAGEGATE_COMPLETE": "bash_source"}) == load_settings(env={})


def test_service_links_of_kubernetes_are_ignored_with_a_warning() -> None:
    links = {
        "IMAGEGATE_PORT": "tcp://10.0.0.1:8000",
        "IMAGEGATE_PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "IMAGEGATE_PORT_8000_TCP_ADDR": "10.0.0.1",
        "IMAGEGATE_PORT_8000_TCP_PORT": "8000",
        "IMAGEGATE_PORT_8000_TCP_PROTO": "tcp",
        "IMAGEGATE_SERVICE_HOST": "10.0.0.1",
        "IMAGEGATE_SERVICE_PORT": "8000",
        "IMAGEGATE_SERVICE_PORT_HTTP": "8000",
        "IMAGEGATE_GATEWAY_PORT": "udp://10.0.0.1:8000",
        "IMAGEGATE_GATEWAY_SERVICE_HOST": "10.0.0.1",
    }
    settings = load_settings(env=links)
    (warning,) = settings.warnings
    assert "and 8 more; set enableServiceLinks: false" in warning
    assert settings.server.port == 8000
    assert "IMAGEGATE_WRONG_PORT" in problems_of(None, {**links, "IMAGEGATE_WRONG_PORT": "80"})[0]


def test_files_that_a_configuration_names_stand_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("etc/both.toml", "here/both.toml", "here/only.toml"):
        (tmp_path / name).touch()
    toml = tmp_path / "etc/gateway.toml"
    toml.write_text(
        '[credit]\nprice_files = ["both.toml", "only.toml", "none.toml", "/abs.toml"]\n[storage]\ndata = "data"\n'
        '[[upstream]]\nname = "a"\nprotocol = "openai"\napi_key_file = "key"\n'
    )
    settings = load_settings(toml, {})
    etc = str(tmp_path / "etc")
    assert settings.credit.price_files == (f"{etc}/both.toml", "only.toml", f"{etc}/none.toml", "/abs.toml")
    assert settings.upstream[0].api_key_file == f"{etc}/key"
    assert settings.data_dir == tmp_path / "here/data"
    (warning,) = settings.warnings
    assert warning.startswith(f"only.toml is in the working folder and not beside {toml}")
    env = {"IMAGEGATE_PRICE_FILES": "both.toml"}
    assert load_settings(toml, env).credit.price_files == ("both.toml",)


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
    with pytest.raises(SettingsError, match="must be a folder, file:///folder") as refused:
        load_settings(env={"IMAGEGATE_STORAGE": storage})
    assert "secret" not in str(refused.value)


def test_links_redirect_only_from_a_bucket() -> None:
    redirect = {"IMAGEGATE_STORAGE_LINKS": "redirect"}
    assert load_settings(env={**redirect, "IMAGEGATE_STORAGE": "s3://bucket"}).storage.storage_links == "redirect"
    for env in (redirect, {"IMAGEGATE_STORAGE_LINKS": "proxy"}):
        with pytest.raises(SettingsError, match=r"(?i)storage_links is .*must be "):
            load_settings(env=env)
