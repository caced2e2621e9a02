"""A pool of worker processes that run jobs, as their parent sees it.

Processes start when needed, are killed at their wall-clock limit, and end when idle: an idle server holds no images.
"""

import asyncio
import contextlib
import sys
from typing import TypeVar

import msgspec

from imagegate.images.jobs.worker import (
    EXIT_OUT_OF_MEMORY,
    PREFIX_BYTES,
    JobRequest,
    JobResponse,
    encode_message,
    message_length,
)

T = TypeVar("T")

_SINGLE_THREAD_ENV = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_STDERR_TAIL_BYTES = 2_000
_SHUTDOWN_TIMEOUT_S = 2.0


class WorkerDied(Exception):
    """The process was killed, ran into a limit or ended on its own; its job was not finished."""


class JobFailed(Exception):
    """The job raised an exception; the process is well."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class _Worker:
    """One running process and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._stderr_tail = bytearray()
        self._stderr_task = asyncio.create_task(self._read_stderr())
        self.idle_timer: asyncio.TimerHandle | None = None

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def send(self, request: JobRequest) -> JobResponse:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        self._stderr_tail.clear()
        stdin.write(encode_message(request))
        await stdin.drain()
        length = message_length(await stdout.readexactly(PREFIX_BYTES))
        return msgspec.msgpack.decode(await stdout.readexactly(length), type=JobResponse)

    async def exit_reason(self) -> str:
        """Why it ended; one that closed its pipes and still runs is killed first."""
        try:
            code = await asyncio.wait_for(self._process.wait(), _SHUTDOWN_TIMEOUT_S)
        except TimeoutError:
            await self.kill()
            code = await self._process.wait()
        await self._stderr_task
        reason = {EXIT_OUT_OF_MEMORY: "out of memory", 0: "ended early"}.get(code)
        if reason is None:
            reason = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        stderr = self._stderr_tail.decode(errors="replace").strip()
        return f"{reason}: {stderr}" if stderr else reason

    async def kill(self) -> None:
        if self.idle_timer:
            self.idle_timer.cancel()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._stderr_task

    async def shut_down(self) -> None:
        """End of input tells the process to end; one that does not is killed."""
        stdin = self._process.stdin
        if stdin is not None:
            stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _SHUTDOWN_TIMEOUT_S)
        await self.kill()

    async def _read_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        while chunk := await stderr.read(4096):
            self._stderr_tail += chunk
            del self._stderr_tail[:-_STDERR_TAIL_BYTES]


class ProcessPool:
    """At most `size` processes at a time; further callers wait in order.

    `niceness`: how much the processes give way to others, as in nice(1).
    """

    def __init__(self, size: int, *, idle_s: float = 30.0, niceness: int = 0) -> None:
        self.size = size
        self._niceness = niceness
        self._slots = asyncio.Semaphore(size)
        self._idle_s = idle_s
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._shutdowns: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return bool(self._busy)

    @property
    def closed(self) -> bool:
        return self._closed

    async def run(self, job: str, request: msgspec.Struct, result: type[T], *, cpu_s: float, wall_s: float) -> T:
        """Run one job. `wall_s` counts from when a process takes it, the start of a new one included.

        Raises WorkerDied and JobFailed.
        """
        async with self._slots:
            worker = await self._acquire()
            job_request = JobRequest(job, msgspec.msgpack.encode(request), cpu_s)
            response = await self._send_or_discard(worker, job_request, wall_s)
        if not response.ok:
            raise JobFailed(response.kind, response.message)
        return msgspec.msgpack.decode(response.result, type=result)

    async def close(self) -> None:
        """End every process; whoever still waits for one gets WorkerDied."""
        self._closed = True
        idle, self._idle = self._idle, []
        for worker in idle:
            self._shut_down(worker)
        await asyncio.gather(*(worker.kill() for worker in list(self._busy)))
        await asyncio.gather(*self._shutdowns)

    async def _send_or_discard(self, worker: _Worker, request: JobRequest, wall_s: float) -> JobResponse:
        try:
            response = await asyncio.wait_for(worker.send(request), wall_s)
        except TimeoutError:
            await self._discard(worker)
            raise WorkerDied(f"{request.job} took longer than {wall_s:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            # The end of its output comes a moment before the exit code, which tells the cause.
            reason = await worker.exit_reason()
            await self._discard(worker)
            raise WorkerDied(f"{request.job}: {reason}") from None
        except (ValueError, msgspec.MsgspecError) as error:
            await self._discard(worker)
            raise WorkerDied(f"{request.job}: unreadable response: {error}") from None
        except BaseException:
            # A cancelled caller leaves a response in the pipe that must not be taken for the next one.
            await asyncio.shield(self._discard(worker))
            raise
        self._release(worker)
        return response

    async def _acquire(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.idle_timer:
                worker.idle_timer.cancel()
            if worker.alive:
                self._busy.add(worker)
                return worker
            await worker.kill()
        starting = asyncio.create_task(self._start())
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # A start cannot be cancelled half-way: the process joins the idle ones.
            starting.add_done_callback(self._release_started)
            raise

    def _release_started(self, starting: asyncio.Task[_Worker]) -> None:
        if not starting.cancelled() and starting.exception() is None:
            self._release(starting.result())

    async def _start(self) -> _Worker:
        if self._closed:
            raise WorkerDied("the pool is closed")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "imagegate.images.jobs.worker",
            str(self._niceness),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_SINGLE_THREAD_ENV,
            close_fds=True,
            start_new_session=True,
        )
        worker = _Worker(process)
        self._busy.add(worker)
        return worker

    def _release(self, worker: _Worker) -> None:
        self._busy.discard(worker)
        if self._closed:
            self._shut_down(worker)
            return
        worker.idle_timer = asyncio.get_running_loop().call_later(self._idle_s, self._expire, worker)
        self._idle.append(worker)

    def _expire(self, worker: _Worker) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
            self._shut_down(worker)

    def _shut_down(self, worker: _Worker) -> None:
        shutdown = asyncio.create_task(worker.shut_down())
        self._shutdowns.add(shutdown)
        shutdown.add_done_callback(self._shutdowns.discard)

    async def _discard(self, worker: _Worker) -> None:
        self._busy.discard(worker)
        await worker.kill()
