"""The parent's side of the child processes: hands out orders, survives their deaths. Knows no job by name.

Children start when needed, are killed at their wall limit, and end when idle: an idle server holds no pixels.
"""

import asyncio
import contextlib
import sys
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from imagegate.images.jobs.worker import (
    DEFAULT_FILE_BYTES,
    DEFAULT_MEMORY_BYTES,
    EXIT_OUT_OF_MEMORY,
    PREFIX_BYTES,
    JobRequest,
    JobResponse,
    encode_message,
    message_length,
)

T = TypeVar("T")

_SINGLE_THREAD_ENV = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_STDERR_TAIL_BYTES = 2_000
_SHUTDOWN_TIMEOUT_S = 2.0


class WorkerDied(Exception):
    """The child was killed, ran into a limit or ended on its own; its order was not finished."""


class JobFailed(Exception):
    """The job raised; the child is well."""

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
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def send(self, call: JobRequest) -> JobResponse:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        self._stderr_tail.clear()
        stdin.write(encode_message(call))
        await stdin.drain()
        length = message_length(await stdout.readexactly(PREFIX_BYTES))
        return msgspec.msgpack.decode(await stdout.readexactly(length), type=JobResponse)

    async def exit_reason(self) -> str:
        """How it died; one that closed its pipes and lives on is killed first."""
        try:
            code = await asyncio.wait_for(self._process.wait(), _SHUTDOWN_TIMEOUT_S)
        except TimeoutError:
            await self.kill()
            code = await self._process.wait()
        await self._stderr_task
        reason = {EXIT_OUT_OF_MEMORY: "out of memory", 0: "ended early"}.get(code)
        if reason is None:
            reason = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        words = self._stderr_tail.decode(errors="replace").strip()
        return f"{reason}: {words}" if words else reason

    async def kill(self) -> None:
        if self.idle_timer:
            self.idle_timer.cancel()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._stderr_task

    async def shut_down(self) -> None:
        """End of input is the child's sign to go; one that stays is killed."""
        stdin = self._process.stdin
        if stdin is not None:
            stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _SHUTDOWN_TIMEOUT_S)
        await self.kill()

    async def _read_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        while piece := await stderr.read(4096):
            self._stderr_tail += piece
            del self._stderr_tail[:-_STDERR_TAIL_BYTES]


class ProcessPool:
    """At most `size` children at a time; callers wait their turn."""

    def __init__(
        self,
        size: int,
        *,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        file_bytes: int = DEFAULT_FILE_BYTES,
        idle_s: float = 30.0,
    ) -> None:
        self._slots = asyncio.Semaphore(size)
        self._limits = (str(memory_bytes), str(file_bytes))
        self._idle_s = idle_s
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._shutdowns: set[asyncio.Task[None]] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def pids(self) -> list[int]:
        return [child.pid for child in (*self._idle, *self._busy) if child.alive]

    async def run(self, job: str, request: msgspec.Struct, result: type[T], *, cpu_s: float, wall_s: float) -> T:
        """Carry out one order. `wall_s` counts from when a child takes it, a fresh child's start included."""
        async with self._slots:
            child = await self._acquire()
            call = JobRequest(job, msgspec.msgpack.encode(request), cpu_s)
            answer = await self._send_or_discard(child, call, wall_s)
        if not answer.ok:
            raise JobFailed(answer.kind, answer.message)
        return msgspec.msgpack.decode(answer.result, type=result)

    async def close(self) -> None:
        """End every child; whoever still waits for one gets ChildDied."""
        self._closed = True
        idle, self._idle = self._idle, []
        for child in idle:
            self._shut_down(child)
        await asyncio.gather(*(child.kill() for child in list(self._busy)))
        await asyncio.gather(*self._shutdowns)

    async def _send_or_discard(self, child: _Worker, call: JobRequest, wall_s: float) -> JobResponse:
        try:
            answer = await asyncio.wait_for(child.send(call), wall_s)
        except TimeoutError:
            await self._discard(child)
            raise WorkerDied(f"{call.job} took longer than {wall_s:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            # the end of its output comes a moment before its own end, which tells the cause
            reason = await child.exit_reason()
            await self._discard(child)
            raise WorkerDied(f"{call.job}: {reason}") from None
        except (ValueError, msgspec.MsgspecError) as error:
            await self._discard(child)
            raise WorkerDied(f"{call.job}: unreadable answer: {error}") from None
        except BaseException:
            # a cancelled caller leaves an answer in the pipe that nobody may mistake for the next one
            await asyncio.shield(self._discard(child))
            raise
        self._release(child)
        return answer

    async def _acquire(self) -> _Worker:
        while self._idle:
            child = self._idle.pop()
            if child.idle_timer:
                child.idle_timer.cancel()
            if child.alive:
                self._busy.add(child)
                return child
            await child.kill()
        starting = asyncio.create_task(self._start())
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # a process that is being born cannot be called off: it joins the idle ones
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
            *self._limits,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_SINGLE_THREAD_ENV,
            close_fds=True,
            start_new_session=True,
        )
        child = _Worker(process)
        self._busy.add(child)
        return child

    def _release(self, child: _Worker) -> None:
        self._busy.discard(child)
        if self._closed:
            self._shut_down(child)
            return
        child.idle_timer = asyncio.get_running_loop().call_later(self._idle_s, self._expire, child)
        self._idle.append(child)

    def _expire(self, child: _Worker) -> None:
        if child in self._idle:
            self._idle.remove(child)
            self._shut_down(child)

    def _shut_down(self, child: _Worker) -> None:
        farewell = asyncio.create_task(child.shut_down())
        self._shutdowns.add(farewell)
        farewell.add_done_callback(self._shutdowns.discard)

    async def _discard(self, child: _Worker) -> None:
        self._busy.discard(child)
        await child.kill()
