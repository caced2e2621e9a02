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
    OUT_OF_MEMORY,
    PREFIX_BYTES,
    Answer,
    Call,
    length_of,
    packed,
)

T = TypeVar("T")

_ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_LAST_WORDS = 2_000
_FAREWELL_S = 2.0


class ChildDied(Exception):
    """The child was killed, ran into a limit or ended on its own; its order was not finished."""


class ChildRefused(Exception):
    """The job raised; the child is well."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class _Child:
    """One running process and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._last_words = bytearray()
        self._listener = asyncio.create_task(self._listen())
        self.curfew: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, call: Call) -> Answer:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        self._last_words.clear()
        stdin.write(packed(call))
        await stdin.drain()
        length = length_of(await stdout.readexactly(PREFIX_BYTES))
        return msgspec.msgpack.decode(await stdout.readexactly(length), type=Answer)

    async def obituary(self) -> str:
        """How it died; one that closed its pipes and lives on is killed first."""
        try:
            code = await asyncio.wait_for(self._process.wait(), _FAREWELL_S)
        except TimeoutError:
            await self.kill()
            code = await self._process.wait()
        await self._listener
        reason = {OUT_OF_MEMORY: "out of memory", 0: "ended early"}.get(code)
        if reason is None:
            reason = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        words = self._last_words.decode(errors="replace").strip()
        return f"{reason}: {words}" if words else reason

    async def kill(self) -> None:
        if self.curfew:
            self.curfew.cancel()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._listener

    async def retire(self) -> None:
        """End of input is the child's sign to go; one that stays is killed."""
        stdin = self._process.stdin
        if stdin is not None:
            stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _FAREWELL_S)
        await self.kill()

    async def _listen(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        while piece := await stderr.read(4096):
            self._last_words += piece
            del self._last_words[:-_LAST_WORDS]


class ChildPool:
    """At most `size` children at a time; callers wait their turn."""

    def __init__(
        self,
        size: int,
        *,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        file_bytes: int = DEFAULT_FILE_BYTES,
        idle_s: float = 30.0,
    ) -> None:
        self._turns = asyncio.Semaphore(size)
        self._limits = (str(memory_bytes), str(file_bytes))
        self._idle_s = idle_s
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._farewells: set[asyncio.Task[None]] = set()
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

    async def run(self, job: str, order: msgspec.Struct, result: type[T], *, cpu_s: float, wall_s: float) -> T:
        """Carry out one order. `wall_s` counts from when a child takes it, a fresh child's start included."""
        async with self._turns:
            child = await self._take()
            call = Call(job, msgspec.msgpack.encode(order), cpu_s)
            answer = await self._answer_or_death(child, call, wall_s)
        if not answer.ok:
            raise ChildRefused(answer.kind, answer.message)
        return msgspec.msgpack.decode(answer.result, type=result)

    async def close(self) -> None:
        """End every child; whoever still waits for one gets ChildDied."""
        self._closed = True
        idle, self._idle = self._idle, []
        for child in idle:
            self._bid_farewell(child)
        await asyncio.gather(*(child.kill() for child in list(self._busy)))
        await asyncio.gather(*self._farewells)

    async def _answer_or_death(self, child: _Child, call: Call, wall_s: float) -> Answer:
        try:
            answer = await asyncio.wait_for(child.ask(call), wall_s)
        except TimeoutError:
            await self._bury(child)
            raise ChildDied(f"{call.job} took longer than {wall_s:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            # the end of its output comes a moment before its own end, which tells the cause
            story = await child.obituary()
            await self._bury(child)
            raise ChildDied(f"{call.job}: {story}") from None
        except (ValueError, msgspec.MsgspecError) as error:
            await self._bury(child)
            raise ChildDied(f"{call.job}: unreadable answer: {error}") from None
        except BaseException:
            # a cancelled caller leaves an answer in the pipe that nobody may mistake for the next one
            await asyncio.shield(self._bury(child))
            raise
        self._give_back(child)
        return answer

    async def _take(self) -> _Child:
        while self._idle:
            child = self._idle.pop()
            if child.curfew:
                child.curfew.cancel()
            if child.alive:
                self._busy.add(child)
                return child
            await child.kill()
        starting = asyncio.create_task(self._start())
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # a process that is being born cannot be called off: it joins the idle ones
            starting.add_done_callback(self._adopt)
            raise

    def _adopt(self, starting: asyncio.Task[_Child]) -> None:
        if not starting.cancelled() and starting.exception() is None:
            self._give_back(starting.result())

    async def _start(self) -> _Child:
        if self._closed:
            raise ChildDied("the pool is closed")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "imagegate.images.jobs.worker",
            *self._limits,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_ONE_THREAD,
            close_fds=True,
            start_new_session=True,
        )
        child = _Child(process)
        self._busy.add(child)
        return child

    def _give_back(self, child: _Child) -> None:
        self._busy.discard(child)
        if self._closed:
            self._bid_farewell(child)
            return
        child.curfew = asyncio.get_running_loop().call_later(self._idle_s, self._send_home, child)
        self._idle.append(child)

    def _send_home(self, child: _Child) -> None:
        if child in self._idle:
            self._idle.remove(child)
            self._bid_farewell(child)

    def _bid_farewell(self, child: _Child) -> None:
        farewell = asyncio.create_task(child.retire())
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)

    async def _bury(self, child: _Child) -> None:
        self._busy.discard(child)
        await child.kill()
