"""P18, F14: a full, read-only or locked disk gives an honest answer, loses nothing and needs no restart."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, QUOTE, account_state, assert_unchanged, parse_error, parse_response
from tests.e2e.helpers import read_rows, wait_for_tasks
from tests.support.gateway import PROGRAM, Gateway
from tests.support.program import wait_until

BODY = {
    "prompt": "a logo",
    "size": "1024x640",
    "quality": "low",
    "output_format": "jpeg",
    "output_compression": 50,
}
MB = 2**20
END_S, ANSWER_S = 60.0, 15.0  # P17: an answer comes within 15 s
INSIDE = "IMAGEGATE_TEST_OWN_MOUNTS"


def own_disk(test: Callable[..., None]) -> Callable[..., None]:
    """Run the test where it may mount: here, else in a mount namespace of its own, else skip it."""

    @functools.wraps(test)
    def run(*args: Any, **fixtures: Any) -> None:
        if INSIDE in os.environ or _may([], fixtures["tmp_path"]):
            test(*args, **fixtures)
            return
        apart = ["unshare", "-Urm"]
        if not _may(apart, fixtures["tmp_path"]):
            pytest.skip("neither this user nor a user namespace may mount a tmpfs")
        name = os.environ["PYTEST_CURRENT_TEST"].rpartition(" (")[0]
        again = [sys.executable, "-m", "pytest", "-n", "0", "-q", f"--basetemp={fixtures['tmp_path'] / 'apart'}", name]
        done = subprocess.run([*apart, *again], env={**os.environ, INSIDE: "1"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def _may(prefix: list[str], folder: Path) -> bool:
    place = folder / "probe"
    place.mkdir(exist_ok=True)
    words = [*prefix, "sh", "-c", 'mount -t tmpfs -o size=64k none "$0" && umount "$0"', str(place)]
    return subprocess.run(words, capture_output=True).returncode == 0


@contextlib.contextmanager
def mount_small_disk(place: Path, size: str) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


class Filler:
    """A file that fills the disk."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._file = disk / "filler"

    def fill_except(self, free: int) -> None:
        """Leave only this many bytes free."""
        with self._file.open("ab", buffering=0) as file:
            while (rest := shutil.disk_usage(self._disk).free - free) > 0:
                try:
                    file.write(b"\0" * min(rest, MB))
                except OSError:
                    return

    @contextlib.contextmanager
    def keep_full(self) -> Iterator[None]:
        """Keep every byte taken until the end of the block, also those that the gateway frees."""
        stop = threading.Event()

        def take() -> None:
            while not stop.is_set():
                self.fill_except(0)
                stop.wait(0.005)

        taker = threading.Thread(target=take)
        taker.start()
        try:
            yield
        finally:
            stop.set()
            taker.join()
            self.remove()

    def remove(self) -> None:
        self._file.unlink()


def check_nothing_charged(gateway: Gateway, client: httpx.Client, tasks: list[dict[str, Any]]) -> None:
    """Failed tasks released their hold, completed ones were charged, and the deep check passes."""
    for task in tasks:
        if task["status"] == "failed":
            assert (task["billing"]["charge_status"], task["usage"]["credits_used"]) == ("released", 0)
    user = account_state(client)[0]["user"]
    assert user["reserved_credits"] == 0
    completed = [task["usage"]["credits_used"] for task in tasks if task["status"] == "completed"]
    assert user["used_credits"] == pytest.approx(sum(completed))
    gateway.run("check", "--deep")


@own_disk
def test_f14_too_little_space_refuses_submits_and_lets_running_tasks_settle(tmp_path: Path) -> None:
    env = {"IMAGEGATE_WORKERS": "2"}
    with (
        mount_small_disk(tmp_path / "disk", "40m") as disk,
        Gateway(disk, env=env) as gateway,
        gateway.client() as client,
    ):
        filler = Filler(disk)
        tasks = [
            parse_response(client.post(CREATE, json=BODY, headers={"Idempotency-Key": f"k{n}"}))["id"] for n in range(6)
        ]
        filler.fill_except(int(1.9 * MB))
        time.sleep(0.2)  # free space is asked for every 0.1 s
        total = parse_response(client.get("/v1/tasks?page_size=1"))["total"]
        for _ in range(3):
            error = parse_error(client.post(CREATE, json=BODY), 503, "service_unavailable")
            assert (error["reason"], error["type"]) == ("storage_full", "api_error")
        assert httpx.get(f"{gateway.url}/readyz", timeout=60).json()["checks"]["storage"] == "full"
        parse_response(client.post(QUOTE, json=BODY))
        ended = wait_for_tasks(client, tasks, END_S / 2)
        assert {task["status"] for task in ended} == {"completed"}
        assert parse_response(client.get("/v1/tasks?page_size=1"))["total"] == total == len(tasks)
        check_nothing_charged(gateway, client, ended)
        filler.remove()
        more = parse_response(client.post(CREATE, json=BODY, headers={"Prefer": "wait=60"}))
        assert more["status"] == "completed"
        check_nothing_charged(gateway, client, [*ended, more])


@own_disk
def test_s2_2_replay_finds_its_task_on_a_full_disk_too(tmp_path: Path) -> None:
    """503 says that nothing was created, so it may not answer the repeat of a create whose response was lost."""
    with (
        mount_small_disk(tmp_path / "disk", "40m") as disk,
        Gateway(disk, "--no-workers") as gateway,
        gateway.client() as client,
    ):
        once = {"Idempotency-Key": "once"}
        task = parse_response(client.post(CREATE, json=BODY, headers=once))
        Filler(disk).fill_except(MB)
        # Free space is not asked for each create.
        numbers = itertools.count()
        wait_until(lambda: client.post(CREATE, json=BODY, headers={"Idempotency-Key": f"{next(numbers)}"}).is_error)
        parse_error(client.post(CREATE, json=BODY, headers={"Idempotency-Key": "other"}), 503, "service_unavailable")
        again = client.post(CREATE, json=BODY, headers=once)
        assert parse_response(again)["id"] == task["id"]
        assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.gate
@own_disk
def test_f14_the_last_byte_is_503_never_500_and_every_task_ends_afterwards(tmp_path: Path) -> None:
    """The check of free space is off, so that SQLite, the spool and the blob store meet the full disk."""
    env = {"IMAGEGATE_WORKERS": "4", "IMAGEGATE_MIN_FREE_PERCENT": "0", "IMAGEGATE_SWEEP_S": "0.5"}
    with mount_small_disk(tmp_path / "disk", "40m") as disk, Gateway(disk, env=env) as gateway:
        key = gateway.new_key("customer")
        stop = threading.Event()
        with gateway.client(key) as customer, concurrent.futures.ThreadPoolExecutor(4) as clients:
            ids = [parse_response(customer.post(CREATE, json=BODY))["id"] for _ in range(8)]
            with Filler(disk).keep_full():
                work = [clients.submit(_ask_until, gateway, key, stop) for _ in range(4)]
                # longer than a lease of 2 s: what is carried out must be taken up again afterwards
                time.sleep(2.5)
                stop.set()
            answers = [answer for one in work for answer in one.result(timeout=END_S)]
            assert {answer.status_code for answer in answers} <= {200, 503}, Counter(
                (str(answer.request.url.path), answer.status_code) for answer in answers
            )
            refused = [answer for answer in answers if answer.status_code == 503]
            assert refused
            for answer in refused:
                parse_error(answer, 503, "service_unavailable")
            ids += [answer.json()["id"] for answer in answers if answer.is_success and answer.request.method == "POST"]
            more = parse_response(customer.post(CREATE, json=BODY))["id"]
            ended = wait_for_tasks(customer, [*ids, more], END_S / 2)
            assert next(task["status"] for task in ended if task["id"] == more) == "completed"
            assert parse_response(customer.get("/v1/tasks?page_size=1"))["total"] == len(ended)
            check_nothing_charged(gateway, customer, ended)
        assert not any("task-[removed]" in line for line in gateway.output), "the log cannot tell which task waits"


def _ask_until(gateway: Gateway, key: str, stop: threading.Event) -> list[httpx.Response]:
    answers: list[httpx.Response] = []
    with gateway.client(key) as client:
        while not stop.is_set():
            answers += [client.post(CREATE, json=BODY), client.get("/v1/credits"), client.get("/v1/tasks")]
            time.sleep(0.02)
    return answers


def one_clear_line(data: Path, *words: str, code: int | None = None) -> str:
    """The command exits with 1 (2 where no database is found) and one line that says why, without a traceback."""
    done = subprocess.run([*PROGRAM, *words, "--data", str(data)], capture_output=True, text=True, timeout=30)
    output = (done.stdout + done.stderr).strip()
    assert done.returncode == (code or (1 if words[0] == "serve" else 2)), output
    assert "Traceback" not in output
    assert len(output.splitlines()) == 1, output
    assert output.startswith("imagegate: ")
    return output


SERVE = ("serve", "--port", "0")
GRANT = ("keys", "create", "--account", "someone", "--credits", "5")


@pytest.mark.parametrize("words", [SERVE, GRANT, ("check",)], ids=["serve", "keys", "check"])
def test_a_data_folder_that_is_a_file_is_told_in_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "data").write_text("not a folder")
    assert str(tmp_path / "data") in one_clear_line(tmp_path / "data", *words)


@own_disk
@pytest.mark.parametrize("used", [False, pytest.param(True, marks=pytest.mark.gate)], ids=["empty", "used"])
def test_a_read_only_data_folder_is_told_in_one_line(tmp_path: Path, used: bool) -> None:
    with mount_small_disk(tmp_path / "disk", "16m") as disk:
        if used:
            with Gateway(disk):
                pass
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert str(disk) in one_clear_line(disk, *SERVE)
        assert str(disk) in one_clear_line(disk, *GRANT, code=1 if used else 2)


@pytest.mark.gate
@own_disk
def test_f14_a_start_that_met_a_full_disk_leaves_nothing_that_hinders_the_next(tmp_path: Path) -> None:
    """Wherever the first start ran out of space: one line of output, and a working gateway once there is room."""
    output = []
    for free_kb in (0, 300):
        with mount_small_disk(tmp_path / f"{free_kb}", "4m") as disk:
            filler = Filler(disk)
            filler.fill_except(free_kb * 1024)
            output.append(_start_for_a_moment(disk))
            filler.remove()
            with Gateway(disk) as gateway:
                gateway.check()
    assert any(output), "no start met the full disk"
    for text in filter(None, output):
        assert "Traceback" not in text, text
        assert len(text.splitlines()) == 1, text


def _start_for_a_moment(data: Path) -> str:
    """Empty where the gateway serves, else its output; it may not exit with code 0."""
    process = subprocess.Popen(
        [*PROGRAM, *SERVE, "--data", str(data)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    with process, process.stdout as output:
        lines = []
        for line in output:
            lines.append(line)
            if line.startswith("imagegate is at "):
                process.terminate()
                return ""
        assert process.wait(timeout=30) == 1, "".join(lines)
        return "".join(lines).strip()


@pytest.mark.gate
@own_disk
def test_f14_a_restart_with_unfinished_tasks_on_a_full_disk_is_told_or_served(tmp_path: Path) -> None:
    env = {"IMAGEGATE_WORKERS": "2"}
    with mount_small_disk(tmp_path / "disk", "16m") as disk:
        gateway, filler = Gateway(disk, env=env), Filler(disk)
        with gateway:
            with gateway.client() as client:
                ids = [parse_response(client.post(CREATE, json=BODY))["id"] for _ in range(6)]
            wait_until(lambda: len(read_rows(disk, "SELECT id FROM tasks WHERE state = 'running'")) > 0)
            gateway.kill()
            with filler.keep_full():
                output = _start_for_a_moment(disk)
                assert "Traceback" not in output
                assert len(output.splitlines()) <= 1, output
            gateway.start()
            with gateway.client() as client:
                ended = wait_for_tasks(client, ids, END_S / 2)
                assert {task["status"] for task in ended} == {"completed"}
                check_nothing_charged(gateway, client, ended)


HOLD = (
    "import apsw, sys; db = apsw.Connection(sys.argv[1]); db.set_busy_timeout(30_000);"
    " db.execute('BEGIN EXCLUSIVE'); print('locked', flush=True)"
)


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another program holds the database locked."""
    other = subprocess.Popen(
        [sys.executable, "-c", f"{HOLD}; sys.stdin.read()", str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        yield
        other.kill()


def test_p17_a_locked_database_is_503_in_time_and_work_goes_on_afterwards(tmp_path: Path) -> None:
    with Gateway(tmp_path, env={"IMAGEGATE_WORKERS": "2"}) as gateway, gateway.client() as client:
        running = [parse_response(client.post(CREATE, json=BODY | {"size": "2048x2048"}))["id"] for _ in range(2)]
        wait_until(lambda: len(read_rows(tmp_path, "SELECT id FROM tasks WHERE state = 'running'")) == 2)
        with locked(tmp_path / "imagegate.db"), concurrent.futures.ThreadPoolExecutor(3) as clients:
            with assert_unchanged(client):
                answers = list(clients.map(lambda _: client.post(CREATE, json=BODY, timeout=4 * ANSWER_S), range(3)))
                for answer in answers:
                    parse_error(answer, 503, "service_unavailable")
            assert httpx.get(f"{gateway.url}/healthz", timeout=60).status_code == 200
        more = parse_response(client.post(CREATE, json=BODY, headers={"Prefer": "wait=60"}))
        assert more["status"] == "completed"
        ended = wait_for_tasks(client, running, END_S / 2)
        assert {task["status"] for task in ended} == {"completed"}
        check_nothing_charged(gateway, client, [*ended, more])
