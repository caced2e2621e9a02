"""S13: the running program answers as its document says, whatever is asked of it.

schemathesis reads `/openapi.json` and makes requests of it: the examples, the edges of every rule, random ones, and
walks along the links. `IMAGEGATE_CONTRACT_EXAMPLES` asks for more, on PostgreSQL too; `IMAGEGATE_CONTRACT_SEED` for
others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_response
from tests.support.gateway import Gateway

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = int(os.environ.get("IMAGEGATE_CONTRACT_EXAMPLES", "2"))
SEED = os.environ.get("IMAGEGATE_CONTRACT_SEED", "20261122")
ENGINES = ["sqlite", "postgres"] if EXAMPLES >= 100 else ["sqlite"]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
)
# Each walk keeps to what belongs together, or it would rarely come to an end of anything.
RUNS = (
    ("--phases=examples,coverage,fuzzing",),
    ("--phases=stateful", "--include-tag=images", "--include-tag=tasks", "--include-tag=credits"),
    ("--phases=stateful", "--include-tag=keys", "--include-tag=webhooks", "--include-tag=admin"),
    ("--phases=stateful", "--include-tag=files"),
)
# The edges of every rule, of which there are thousands, are asked for by `make stress`.
SHORT = (("--phases=examples,fuzzing",),)
# The walks follow the document's own links, not guessed ones.
CONFIG = """
[phases.fuzzing]
generation.max-examples = {examples}
[phases.stateful]
max-steps = 20
generation.max-examples = {walks}
[phases.stateful.inference]
algorithms = []
"""
ENV = {
    "IMAGEGATE_EGRESS_ALLOW": "127.0.0.1/32,127.0.0.1/32:61999",
    "IMAGEGATE_FAILED_LOGINS_PER_MINUTE": "1000000",
    "IMAGEGATE_UNFINISHED_PER_ACCOUNT": "20",
    "IMAGEGATE_FILES_PER_ACCOUNT": "1000000",
    "IMAGEGATE_WEBHOOK_RETRY_S": "0.2",
}
# Walked to in the stateful phase: what a create, an upload, a new key and a test webhook lead to.
WALKED = {
    "get_task",
    "cancel_task",
    "get_events",
    "batch_tasks",
    "get_ledger",
    "remove_file",
    "download_file",
    "change_key",
    "delete_key",
    "replay_delivery",
    "create_grant",
}
# Nothing else: each of thousands of requests looks through it for proxies. The folder keeps tables of characters, which
# take seconds to make.
ENVIRONMENT = {
    "SCHEMATHESIS_HOOKS": "tests.contract.hooks",
    "PYTHONPATH": str(ROOT),
    "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis"),
}
Tally = dict[str, Counter[str]]


@pytest.fixture(params=ENGINES)
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateway]:
    env = dict(ENV)
    if request.param == "postgres":
        env["IMAGEGATE_DATABASE"] = request.getfixturevalue("postgres_url")
    served = Gateway(tmp_path / "data", env=env)
    served.start()
    yield served
    served.kill()  # tasks that are waiting need not be painted


@pytest.mark.timeout(180 + 4 * EXAMPLES)
@pytest.mark.parametrize("runs", [pytest.param(SHORT, id="short"), pytest.param(RUNS, marks=pytest.mark.gate)])
def test_s13_openapi_the_program_answers_as_the_document_says(
    gateway: Gateway, tmp_path: Path, runs: tuple[tuple[str, ...], ...]
) -> None:
    key = gateway.new_key("contract", "1000000", "--scope", "admin")
    with gateway.client(key) as client:
        ended = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        document = parse_response(client.get("/openapi.json"))
    known = {"ENDED_TASK": ended["id"], "RESULT": ended["results"][0]}
    started = [start(gateway, key, tmp_path / str(number), known, *run) for number, run in enumerate(runs)]
    tallies = [finished(run, tmp_path / str(number)) for number, run in enumerate(started)]
    asked = Counter(phase for tally in tallies for phase, found in tally.items() for _ in found.elements())
    print(f"seed {SEED}, {EXAMPLES} examples:", dict(asked))
    if runs == RUNS:
        every_operation_was_asked(document, tallies)
    gateway.check()


def start(gateway: Gateway, key: str, folder: Path, known: dict[str, str], *options: str) -> subprocess.Popen[str]:
    folder.mkdir()
    (folder / "schemathesis.toml").write_text(CONFIG.format(examples=EXAMPLES, walks=3 + EXAMPLES))
    env = {f"CONTRACT_{name}": value for name, value in {**known, "TALLY": str(folder / "tally.json")}.items()}
    command = [str(Path(sys.executable).with_name("schemathesis")), "--no-color", "run", f"{gateway.url}/openapi.json"]
    always = {
        "checks": ",".join(CHECKS),
        "seed": SEED,
        "header": f"Authorization: Bearer {key}",
        "generation-database": "none",
        "request-timeout": "30",
    }
    return subprocess.Popen(
        [*command, *options, *(f"--{name}={value}" for name, value in always.items())],
        cwd=folder,
        env={**env, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(run: subprocess.Popen[str], folder: Path) -> Tally:
    """What was answered, by phase, as `operation status`. The test fails with the report of a finding."""
    report, _ = run.communicate()
    assert run.returncode == 0, report
    return {phase: Counter(found) for phase, found in json.loads((folder / "tally.json").read_text()).items()}


def every_operation_was_asked(document: dict[str, dict[str, dict[str, dict[str, str]]]], tallies: list[Tally]) -> None:
    """Each of them succeeded at least once, and those that others lead to were reached on the way."""
    named = {one["operationId"] for methods in document["paths"].values() for one in methods.values()}
    answers = [(phase, *name.split()) for tally in tallies for phase, found in tally.items() for name in found]
    assert {phase for phase, _, _ in answers} == {"examples", "coverage", "fuzzing", "stateful"}
    assert not [answer for answer in answers if answer[2] >= "500"]
    good = {name for _, name, status in answers if status < "300"}
    # The document is what everything is asked by, and no answer shows a link that only upstreams are given.
    # HEAD answers as GET does, and is asked for what exists by chance alone.
    hidden = {"openapi_json", "get_input", *(name for name in named if name.endswith("_head"))}
    assert good - hidden == named - hidden
    assert {name for phase, name, status in answers if phase == "stateful" and status < "300"} >= WALKED


def test_s5_6_closes_after_an_ended_task_is_told_whole(gateway: Gateway) -> None:
    """What the random requests see of a stream: it closes by itself, in the form that the document tells of."""
    with gateway.client() as client:
        ended = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        answer = client.get(f"/v1/tasks/{ended['id']}/events")
        last = answer.text.count("event: task\n")
        again = client.get(f"/v1/tasks/{ended['id']}/events", headers={"Last-Event-ID": str(last)})
    assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert answer.text.startswith("retry: 2000\n\nid: 1\nevent: task\ndata: {")
    assert json.loads(answer.text.rpartition("data: ")[2]) == ended
    assert again.status_code == httpx.codes.NO_CONTENT
