"""The child process: its limits, its deaths, and the pool that survives them."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from imagegate.images.jobs.limit_probes import ProbeReport, ProbeRequest
from imagegate.images.jobs.process_pool import JobFailed, ProcessPool, WorkerDied
from imagegate.images.jobs.worker import JobRequest, JobResponse, encode_message
from imagegate.painter.request import PaintRequest, PaintResult
from tests.images.jobs.helpers import open_pool

_PROBES = "imagegate.images.jobs.limit_probes:"


async def _probe(pool: ProcessPool, name: str, amount: float = 0, text: str = "", wall_s: float = 20) -> ProbeReport:
    return await pool.run(_PROBES + name, ProbeRequest(amount, text), ProbeReport, cpu_s=1, wall_s=wall_s)


def _with_pool(scenario: Callable[[ProcessPool], Awaitable[None]], size: int = 1, idle_s: float = 30) -> None:
    async def told() -> None:
        async with open_pool(size, idle_s) as pool:
            await scenario(pool)
            pids = _pids(pool)
        for pid in pids:
            assert not _alive(pid)

    asyncio.run(told())


def _pids(pool: ProcessPool) -> list[int]:
    return [worker._process.pid for worker in (*pool._idle, *pool._busy) if worker.alive]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_serves_many_orders() -> None:
    async def scenario(pool: ProcessPool) -> None:
        reports = [await _probe(pool, "echo", text=str(number)) for number in range(3)]
        assert [report.text for report in reports] == ["0", "1", "2"]
        assert len({report.pid for report in reports}) == 1

    _with_pool(scenario)


def test_what_nobody_waits_for_gives_way_to_everything_else() -> None:
    async def scenario() -> None:
        pool = ProcessPool(1, niceness=10)
        report = await _probe(pool, "echo")
        assert os.getpriority(os.PRIO_PROCESS, report.pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)
        await pool.close()

    asyncio.run(scenario())


def test_printing_does_not_reach_the_answers_nor_reading_the_orders() -> None:
    async def scenario(pool: ProcessPool) -> None:
        assert (await _probe(pool, "write_to_stdout", text="noise")).text == ""
        assert (await _probe(pool, "echo", text="clean")).text == "clean"

    _with_pool(scenario)


def test_a_refusal_leaves_the_child_alive() -> None:
    async def scenario(pool: ProcessPool) -> None:
        before = (await _probe(pool, "echo")).pid
        with pytest.raises(JobFailed) as caught:
            await _probe(pool, "raise_error", text="no such thing")
        assert (caught.value.kind, caught.value.message) == ("ValueError", "no such thing")
        assert (await _probe(pool, "echo")).pid == before

    _with_pool(scenario)


@pytest.mark.parametrize(
    ("name", "amount", "wall_s", "cause"),
    [
        pytest.param("use_cpu", 30, 20, "signal 24", marks=pytest.mark.gate),
        ("allocate", 2_000, 20, "out of memory"),
        ("sleep", 30, 0.5, "longer than 0.5 s"),
        ("exit_process", 3, 20, "exit code 3"),
    ],
)
def test_a_death_is_reported_and_the_pool_goes_on(name: str, amount: float, wall_s: float, cause: str) -> None:
    async def scenario(pool: ProcessPool) -> None:
        before = (await _probe(pool, "echo")).pid
        with pytest.raises(WorkerDied, match=cause):
            await _probe(pool, name, amount, wall_s=wall_s)
        after = (await _probe(pool, "echo")).pid
        assert after != before
        assert not _alive(before)

    _with_pool(scenario)


@pytest.mark.gate
def test_the_cpu_allowance_is_per_order_and_not_per_life() -> None:
    async def scenario(pool: ProcessPool) -> None:
        pids = {(await _probe(pool, "use_cpu", 0.6)).pid for _ in range(4)}
        assert len(pids) == 1

    _with_pool(scenario)


def test_memory_below_the_limit_is_granted_and_files_above_theirs_are_not(tmp_path: Path) -> None:
    async def scenario(pool: ProcessPool) -> None:
        assert (await _probe(pool, "allocate", 300)).text == str(300 << 20)
        with pytest.raises(JobFailed, match="File too large"):
            await _probe(pool, "write_file", 65, str(tmp_path / "big"))

    _with_pool(scenario)


def test_a_cancelled_caller_never_leaves_its_answer_to_the_next() -> None:
    async def scenario(pool: ProcessPool) -> None:
        before = (await _probe(pool, "echo")).pid
        waiting = asyncio.create_task(_probe(pool, "sleep", 0.4, "late"))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        report = await _probe(pool, "echo", text="mine")
        assert report.text == "mine"
        assert report.pid != before

    _with_pool(scenario)


def test_cancelling_during_the_start_loses_no_child() -> None:
    async def scenario(pool: ProcessPool) -> None:
        waiting = asyncio.create_task(_probe(pool, "echo"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await _probe(pool, "echo", text="mine")).text == "mine"

    _with_pool(scenario)


def test_no_more_children_than_the_size_and_all_at_once() -> None:
    async def scenario(pool: ProcessPool) -> None:
        await asyncio.gather(*(_probe(pool, "echo") for _ in range(2)))
        reports = await asyncio.gather(*(_probe(pool, "sleep", 0.4) for _ in range(4)))
        assert {report.pid for report in reports} == set(_pids(pool))
        assert len(_pids(pool)) == 2

    _with_pool(scenario, size=2)


def test_idle_children_go_home() -> None:
    async def scenario(pool: ProcessPool) -> None:
        pid = (await _probe(pool, "echo")).pid
        assert _pids(pool) == [pid]
        await asyncio.sleep(0.8)
        assert _pids(pool) == []
        assert not _alive(pid)
        assert (await _probe(pool, "echo")).pid != pid

    _with_pool(scenario, idle_s=0.2)


def test_closing_kills_what_runs_and_refuses_what_comes() -> None:
    async def told() -> None:
        pool = ProcessPool(1)
        await _probe(pool, "echo")
        running = asyncio.create_task(_probe(pool, "sleep", 30))
        await asyncio.sleep(0.1)
        await pool.close()
        with pytest.raises(WorkerDied):
            await running
        with pytest.raises(WorkerDied, match="closed"):
            await _probe(pool, "echo")

    asyncio.run(told())


def test_an_idle_child_that_died_is_replaced() -> None:
    async def scenario(pool: ProcessPool) -> None:
        pid = (await _probe(pool, "echo")).pid
        os.kill(pid, 9)
        await asyncio.sleep(0.3)
        assert (await _probe(pool, "echo")).pid != pid

    _with_pool(scenario)


@pytest.mark.parametrize("job", ["os:getcwd", "json:loads", "imagegateway.x:y"])
def test_only_jobs_of_this_program_run(job: str) -> None:
    async def scenario(pool: ProcessPool) -> None:
        with pytest.raises(JobFailed, match="not a job"):
            await pool.run(job, ProbeRequest(), ProbeReport, cpu_s=1, wall_s=20)

    _with_pool(scenario)


def test_the_child_inherits_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEGATE_SECRET", "x")
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)

        async def scenario(pool: ProcessPool) -> None:
            names, files, _ = (await _probe(pool, "report_environment")).text.split("|")
            assert "IMAGEGATE_SECRET" not in names
            assert set(names.split(",")) <= {"LC_CTYPE", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}
            assert len(files.split(",")) <= 6

        _with_pool(scenario)


@pytest.mark.skipif(
    subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0
    if Path("/usr/bin/unshare").exists()
    else True,
    reason="this machine gives no network namespaces",
)
def test_the_child_has_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        async def scenario(pool: ProcessPool) -> None:
            with pytest.raises(JobFailed, match="unreachable"):
                await _probe(pool, "connect", port)

        _with_pool(scenario)


def test_the_child_ends_when_its_parent_is_killed() -> None:
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-I', '-m', 'imagegate.images.jobs.worker'],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert _alive(child)
        process.kill()
    deadline = time.monotonic() + 30
    while _running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _running(child)


def _running(pid: int) -> bool:
    # an orphan that ended may stay a zombie where nobody collects it
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_the_wire_is_length_and_msgpack() -> None:
    call = JobRequest("imagegate.images.jobs.limit_probes:echo", msgspec.msgpack.encode(ProbeRequest(1, "한글")), 1.0)
    command = [sys.executable, "-I", "-m", "imagegate.images.jobs.worker"]
    done = subprocess.run(command, input=encode_message(call), capture_output=True, timeout=20)
    answer = msgspec.msgpack.decode(done.stdout[4:], type=JobResponse)
    assert (done.returncode, answer.ok) == (0, True)
    assert msgspec.msgpack.decode(answer.result, type=ProbeReport).text == "한글"


def _order(out: Path, **changes: object) -> PaintRequest:
    plain = PaintRequest("a mountain lake at dawn", 256, 160, "high", 0, (), "", False, "png", 90, str(out))
    return msgspec.structs.replace(plain, **changes)


def test_two_children_paint_the_same_bytes(tmp_path: Path) -> None:
    async def once(out: Path) -> bytes:
        async with open_pool() as pool:
            await pool.run("imagegate.painter.paint:paint", _order(out), PaintResult, cpu_s=10, wall_s=30)
        return out.read_bytes()

    assert asyncio.run(once(tmp_path / "a")) == asyncio.run(once(tmp_path / "b"))


@pytest.mark.parametrize("size", [(3840, 2160), pytest.param((2880, 2880), marks=pytest.mark.gate)])
def test_the_largest_images_fit_the_childs_limits(tmp_path: Path, size: tuple[int, int]) -> None:
    """Under 500 MB, and 4 s of CPU, which the worker's limit enforces."""

    async def scenario(pool: ProcessPool) -> None:
        order = _order(tmp_path / "big", width=size[0], height=size[1])
        painted = await pool.run("imagegate.painter.paint:paint", order, PaintResult, cpu_s=4, wall_s=60)
        assert (painted.width, painted.height) == size
        peak_kb = int((await _probe(pool, "report_environment")).text.split("|")[2])
        assert peak_kb < 500_000

    _with_pool(scenario)
