"""Real answers of upstreams, mutated by a seed, and what must come of them. In process, without a socket.

Bodies of every protocol, and the openai protocol's stream of events, cut anywhere. Heads are in wire_mutation.py.
"""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiohttp import ThreadedResolver
from multidict import CIMultiDict, CIMultiDictProxy

from imagegate.http.client import HttpClient
from imagegate.upstreams.base import CallHooks, Outcome, PollSchedule, Produced
from tests.upstreams.helpers import base64_image, make_call, make_config, make_upstream

BASE = "http://127.0.0.1:1/v1"
IMAGE = base64_image()
PROTOCOLS = ("openai", "stream", "task_api", "fal", "replicate")
URLS = {"url": "http://127.0.0.1:1/files/0.png", "data": f"data:image/png;base64,{IMAGE}"}
USAGE = {"input_tokens": 26, "output_tokens": 1756, "input_tokens_details": {"text_tokens": 26, "image_tokens": 0}}
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    7,
    1e308,
    2**70,
    "",
    "100%",
    "7",
    "\ud800",
    "data:",
    "@0",
    [],
    [[]],
    [None],
    {},
    {"url": 3},
]
BYTES = [b"", b'"', b"\\", b"\x00", b"\xff", b"{", b"}", b"]", b",", b"NaN", b"\\u0000", b"\\ud800", b"\n", b'"data:']


@dataclass
class Answers:
    """What is said to a submit and to polls. `needed` are the paths that must stay for an image to come."""

    submit: dict[str, Any]
    polls: list[dict[str, Any]]
    needed: list[list[Any]]


def real_answers(protocol: str, kind: str) -> Answers:
    url = URLS["url" if kind == "url" else "data"]
    match protocol:
        case "openai":
            item = {"b64_json": IMAGE} if kind == "b64" else {"url": url}
            body = {"created": 1713833628, "data": [{**item, "revised_prompt": 'a "b64_json": x'}]}
            more = {"background": "opaque", "quality": "medium", "size": "1024x1024", "usage": USAGE}
            return Answers({**body, **more}, [], [["data", 0, next(iter(item))]])
        case "task_api":
            task = {"id": "task-1", "object": "image.generation.task", "created": 1, "progress": 0}
            tokens = {"text_input": 26, "image_output": 1756}
            usage = {"cost": {"usd": 0.053}, "tokens": tokens, "source": "upstream", "billing_rule": "per_token"}
            ended = {**task, "status": "completed", "progress": 100, "results": [url], "usage": usage, "engine": "x"}
            return Answers({**task, "status": "pending"}, [ended], [["status"], ["results", 0]])
        case "fal":
            job = {f"{name}_url": f"{BASE}/r/1/{name}" for name in ("status", "response", "cancel")}
            status = {"status": "COMPLETED", "request_id": "1", "logs": [{"message": "x"}], "metrics": {"t": 3.2}}
            image = {"url": url, "width": 64, "height": 64, "content_type": "image/png", "file_name": "a.png"}
            result = {"images": [image], "seed": 7, "timings": {}, "has_nsfw_concepts": [False], "prompt": "x"}
            return Answers({"request_id": "1", "queue_position": 0, **job}, [status, result], [["images", 0, "url"]])
        case _:
            urls = {"get": f"{BASE}/predictions/p1", "cancel": f"{BASE}/predictions/p1/cancel"}
            prediction: dict[str, Any] = {"id": "p1", "model": "m", "input": {"prompt": "x"}, "logs": "", "urls": urls}
            ended = {"status": "succeeded", "output": [url], "error": None, "metrics": {"predict_time": 3.2}}
            return Answers({**prediction, "status": "starting"}, [{**prediction, **ended}], [["status"], ["output", 0]])


@dataclass
class Case:
    """One mutation: the bodies by turn, and whether an image that is whole is in them."""

    submit: bytes
    polls: list[bytes]
    is_whole: bool
    headers: dict[str, str] = field(default_factory=dict)
    is_cut_everywhere: bool = False


def mutate(protocol: str, seed: int) -> Case:
    dice = random.Random(seed)
    if protocol == "stream":
        return mutate_stream(dice)
    answers = real_answers(protocol, dice.choice(["url", "data", "b64"]))
    last = answers.polls[-1] if answers.polls else answers.submit
    touched = copy.deepcopy(last)
    if dice.random() < 0.6:
        touched = _mutate_values(touched, answers.needed, dice)
        final, is_whole = json.dumps(touched).encode(), True
    else:
        final, is_whole = _mutate_bytes(json.dumps(touched).encode(), answers, last, dice)
    if not answers.polls:
        return Case(final, [], is_whole)
    return Case(
        json.dumps(answers.submit).encode(),
        [*(json.dumps(poll).encode() for poll in answers.polls[:-1]), final],
        is_whole,
    )


def _mutate_values(body: dict[str, Any], needed: list[list[Any]], dice: random.Random) -> dict[str, Any]:
    """Values beside what is needed change their type, go, or are joined by others."""
    for _ in range(dice.randint(1, 4)):
        paths = [path for path in _paths(body) if not any(path == one[: len(path)] for one in needed)]
        if not paths:
            break
        *parents, name = dice.choice(paths)
        place: Any = body
        for step in parents:
            place = place[step]
        if dice.random() < 0.25 and isinstance(place, dict):
            del place[name]
        else:
            place[name] = copy.deepcopy(dice.choice(ODD))
    if dice.random() < 0.3:
        body[dice.choice(["x", "b64_json", "image_url", "detail", "type"])] = copy.deepcopy(dice.choice(ODD))
    return body


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[list[Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, item in items for found in ([*path, name], *_paths(item, (*path, name)))]


def _mutate_bytes(body: bytes, answers: Answers, last: dict[str, Any], dice: random.Random) -> tuple[bytes, bool]:
    """Bytes are replaced, put in or cut off, anywhere."""
    end = 0
    for path in answers.needed:
        value: Any = last
        for step in path:
            value = value[step]
        end = max(end, body.index(json.dumps(value).encode()) + len(json.dumps(value)))
    at = dice.randrange(len(body) + 1)
    junk = dice.choice([*BYTES, dice.randbytes(dice.randint(1, 8)), b"[" * 100_000])
    rest = dice.choice([body[at + dice.randint(0, 9) :], body[at:], b""])
    return body[:at] + junk + rest, at > end


LINE_ENDS = ["\n", "\r\n", "\r"]
STREAM_TYPES = ["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream", "text/event-stream;", ""]
# What says that it is no stream, although it is one.
WRONG_STREAM_TYPES = ["application/json", "text/plain; charset=utf-8", "application/octet-stream", "text/html"]
BESIDE_EVENTS = [
    ": keep-alive",
    ":",
    ":\n",
    ": " + "x" * 3000,
    "\n\n",
    "retry: 3000\n",
    "retry: soon\n",
    "id: 7\n",
    "id",
    "data",
    "data:\n",
    "data: [DONE]\n",
    "event: ping\ndata: ping\n",
    "event: ping\ndata: {}\n",
    "event: ping\n",
    "event: heartbeat\ndata: 2026-11-29T09:00:00Z\n",
    'data: {"type": "keepalive"}\n',
    'data: {"type": 7, "b64_json": null}\n',
    'data: {"type": "image_generation.in_progress", "sequence_number": 0}\n',
    'data: {"error": null}\n',
    "foo: bar\n",
    "foo",
    "data: \u00e4\u2028\u0085\x0b\x0c\n",
]


def mutate_stream(dice: random.Random) -> Case:
    """Unfinished images and the finished one, in every way in which a stream may be written."""
    body: list[str] = []
    operation = dice.choice(["image_generation", "image_edit"])
    for index in range(dice.choice([0, 0, 1, 2])):
        unfinished = {"b64_json": IMAGE, "partial_image_index": dice.choice([index, index, str(index), None, 2**70])}
        body += [_beside(dice), _event(f"{operation}.partial_image", unfinished, dice)]
    finished: dict[str, Any] = {"b64_json": IMAGE, "created_at": 1, "quality": "low", "usage": USAGE}
    if dice.random() < 0.5:
        finished = {**_mutate_values(finished, [["b64_json"]], dice), "b64_json": IMAGE}
        finished.pop("type", None)
    end = _event(f"{operation}.completed", finished, dice)
    body += [_beside(dice), end if dice.random() < 0.7 else end.rstrip("\n")]
    if end == body[-1]:
        error = 'event: error\ndata: {"type": "error", "error": {"code": "server_error", "message": "late"}}\n\n'
        body += [_beside(dice), dice.choice(["", "data: [DONE]\n\n", "data: [DONE]", error])]
    text = "".join(body)
    # The lone CR is not mixed with LF: together they would be one.
    ends = LINE_ENDS[:2] if dice.random() < 0.2 else [dice.choice(LINE_ENDS)]
    text = "".join(dice.choice(ends) if char == "\n" else char for char in text)
    whole = dice.choice([b"", b"", b"\xef\xbb\xbf"]) + text.encode("utf-8", "surrogatepass")
    is_whole = dice.random() < 0.8
    if not is_whole:
        at = dice.randrange(len(whole) + 1)
        junk = dice.choice([*BYTES, dice.randbytes(dice.randint(1, 8)), b"\r\r", b"\n\n", b"data: ", b"x" * 300_000])
        whole = whole[:at] + junk + whole[at + dice.choice([0, 0, 1, 9]) :]
    media_type = dice.choice(STREAM_TYPES if dice.random() < 0.7 else WRONG_STREAM_TYPES)
    headers = {"Content-Type": media_type} if media_type else {}
    return Case(whole, [], is_whole, headers, is_cut_everywhere=dice.random() < 0.05)


def _beside(dice: random.Random) -> str:
    return "".join(f"{dice.choice(BESIDE_EVENTS)}\n" for _ in range(dice.choice([0, 0, 1, 2, 5])))


def _event(kind: str, fields: dict[str, Any], dice: random.Random) -> str:
    """One event: named before or in its data or both, on one line or on many."""
    is_named = dice.random() < 0.7
    fields = {"type": kind, **fields} if not is_named or dice.random() < 0.7 else fields
    items = list(fields.items())
    dice.shuffle(items)
    text = json.dumps(dict(items), indent=dice.choice([None, None, 1]), ensure_ascii=dice.random() < 0.5)
    field_name = dice.choice(["data: ", "data:"])
    lines = [field_name + line for line in text.split("\n")]
    if is_named:
        lines.insert(dice.choice([0, 0, len(lines)]), f"event: {kind}")
    for _ in range(dice.choice([0, 0, 0, 1, 2])):
        lines.insert(dice.randrange(len(lines) + 1), dice.choice([": x", ":", "id: 1", "retry: 1", "foo: bar", "foo"]))
    return "\n".join(lines) + "\n\n"


class MutatedClient(HttpClient):
    """Answers from a case, in pieces of any size."""

    def __init__(self, case: Case, seed: int) -> None:
        super().__init__(1.0, {}, ThreadedResolver())
        self._case, self._dice, self._asked = case, random.Random(seed), 0

    @asynccontextmanager
    async def stream(
        self, method: str, url: Any, headers: Mapping[str, str] | None = None, **_: Any
    ) -> AsyncIterator[Any]:
        if method == "GET":
            body = self._case.polls[self._asked % len(self._case.polls)]
            self._asked += 1
        else:
            body = self._case.submit

        async def pieces() -> AsyncIterator[bytes]:
            start = 0
            while start < len(body):
                size = 1 if self._case.is_cut_everywhere else self._dice.choice([7, 100, 4096, 65536])
                size = size if len(body) < 20_000 else max(size, 4096)
                yield body[start : start + size]
                start += size

        content, headers = SimpleNamespace(iter_any=pieces), CIMultiDictProxy(CIMultiDict(self._case.headers))
        yield SimpleNamespace(status=200, headers=headers, content=content, raw_headers=(), connection=None)


async def run_case(protocol: str, case: Case, directory: Path, seed: int) -> Outcome:
    config = make_config(1, protocol="openai" if protocol == "stream" else protocol, timeout_s=0.2)
    upstream = make_upstream(directory, config, poll_schedule=PollSchedule(0.01, 0.01, 0.02))
    adapter: Any = upstream.adapter
    setattr(adapter, "_http" if config.protocol == "openai" else "http", MutatedClient(case, seed))
    call = make_call(attempt_id=f"att_{seed}")
    try:
        return await upstream.produce(call, CallHooks())
    finally:
        await upstream.close()


def find_faults(protocol: str, seeds: range, directory: Path) -> tuple[dict[str, int], list[str]]:
    """How often each outcome came, and what was wrong. A failed seed can be run alone."""
    counts: dict[str, int] = {"whole": 0}
    faults: list[str] = []

    async def one(seed: int, slots: asyncio.Semaphore) -> None:
        case = mutate(protocol, seed)
        async with slots:
            try:
                outcome = await run_case(protocol, case, directory, seed)
            except Exception as error:  # noqa: BLE001 - which exceptions leave is what is asked
                faults.append(f"seed {seed}: {error!r}")
                return
        name = type(outcome).__name__
        counts[name] = counts.get(name, 0) + 1
        counts["whole"] += case.is_whole
        if case.is_whole and not isinstance(outcome, Produced):
            faults.append(f"seed {seed}: a whole image was lost: {outcome}"[:400])

    async def all_of_them() -> None:
        slots = asyncio.Semaphore(32)
        await asyncio.gather(*(one(seed, slots) for seed in seeds))

    asyncio.run(all_of_them())
    return counts, faults
