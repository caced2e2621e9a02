"""Real answers on a real socket: what HTTP may put around a body, mutated by a seed, for submits, polls and downloads.

Oddities that leave the image whole must not cost it. Broken framing may, but nothing except an outcome comes of it.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import random
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ThreadedResolver

from imagegate.egress import AllowEntry, EgressClient, EgressRules, FetchFailed, Purpose, download_result
from imagegate.egress.urls import CheckedUrl
from imagegate.http.client import Download, DownloadFailed
from imagegate.upstreams.base import CallHooks, Fetch, Outcome, PollSchedule, Produced, RetrySchedule
from tests.upstreams.helpers import make_call, make_config, make_upstream, png
from tests.upstreams.mutation import IMAGE, USAGE

PROTOCOLS = ("openai", "task_api", "fal", "replicate")
# Long enough for any machine: what is whole must come of itself. What is broken is waited for this long in vain.
PATIENCE_S, BROKEN_PATIENCE_S, HANG_S = 30.0, 0.15, 60.0
RULES = EgressRules(allow=(), extra_ports=())

INTERIM = [
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
]
STATUS_LINES = [
    "HTTP/1.1 {} OK",
    "HTTP/1.1 {}",
    "HTTP/1.1 {} ",
    "HTTP/1.1 {} Très bien",
    "HTTP/1.1 {} " + "long " * 200,
    "HTTP/1.0 {} OK",
]
TYPES = [
    "application/json",
    "application/json; charset*",
    'application/json; charset="utf-8',
    "application/json;charset=latin-1; charset=utf-8",
    "text/html",
    "text/event-stream",
    ";",
    "/",
    "é",
    "x" * 5000,
    "",
]
RETRY_AFTER = ["0", "-1", "1e999", "nan", "soon", "9" * 5000, "Mon, 99999999999 Feb 2026 00:00:00 GMT", "1,2", "é", ""]
PLAIN_CODINGS = ["utf-8", "none", "aws-chunked", "identity", "identity, utf-8", "", ",", "gzip", "deflate", "é", "*"]
ODD_HEADERS = [
    "X-Request-Id: é\u2028x",
    "X-Request-Id: " + "x" * 3000,
    "X-Request-Id:",
    "x-fal-request-id: 1\r\nX-Fal-Request-Id: 2",
    "Set-Cookie: a=b; Expires=never; Domain=\r\nSet-Cookie: ",
    "Link: <",
    "Location: http://169.254.169.254/",
    "Content-Disposition: attachment; filename*=x",
    "Content-Range: bytes 0-1/2",
    "Date: yesterday",
    "Age: -1",
    "Trailer: X",
    "Upgrade: h2c",
    'Alt-Svc: h3=":443"',
    "X-Empty:",
    "X-Space:    \t spaced \t ",
    "X_Underscore: 1",
    "x-ratelimit-remaining-requests: -1",
    "Content-Location: ::::",
    "Refresh: 0; url=http://127.0.0.1:1/",
    "Content-Length-X: 5",
]


@dataclass
class Case:
    """One attempt, or one delivery of a webhook. `is_whole`: no oddity touches status, framing or body."""

    protocol: str
    seed: int
    is_whole: bool
    dice: random.Random
    base: str = ""
    # What a webhook's receiver sends, and how the connection ends.
    receiver: tuple[list[bytes], str] | None = None


def make_case(protocol: str, seed: int) -> Case:
    dice = random.Random(seed)
    return Case(protocol, seed, dice.random() < 0.7, dice)


def _body(case: Case, method: str, path: str) -> bytes:
    """What a faithful server says, as JSON; for a download the image."""
    image_url = f"{case.base}/file.png"
    url = image_url if case.seed % 2 else f"data:image/png;base64,{IMAGE}"
    if path.endswith("/file.png"):
        return png()
    match case.protocol, method:
        case "openai", _:
            item = {"b64_json": IMAGE} if case.seed % 3 else {"url": url}
            body: dict[str, Any] = {"created": 1, "data": [item], "usage": USAGE}
        case _, "POST":
            names = ("status_url", "response_url", "cancel_url")
            urls = {name: f"{case.base}/{name}" for name in names}
            urls["urls"] = {"get": f"{case.base}/get", "cancel": f"{case.base}/cancel"}  # type: ignore[assignment]
            body = {"id": "j1", "request_id": "j1", "status": "pending", **urls}
        case "fal", _ if path.endswith("/status_url"):
            body = {"status": "COMPLETED", "request_id": "j1"}
        case "fal", _:
            body = {"images": [{"url": url, "content_type": "image/png"}]}
        case "replicate", _:
            body = {"id": "j1", "status": "succeeded", "output": [url]}
        case _:
            body = {"id": "j1", "status": "completed", "results": [url]}
    dice = case.dice
    text = json.dumps(body, indent=dice.choice([None, None, 2])).encode()
    return dice.choice([b"", b"", b" ", b"\n\n\n", b"\xef\xbb\xbf"]) + text + dice.choice([b"", b"", b"\n", b"  \r\n"])


def _response(case: Case, method: str, path: str) -> tuple[list[bytes], str]:
    """The pieces to send, and how the connection ends after them."""
    dice, body = case.dice, _body(case, method, path)
    coding, packed = _pack(body, dice)
    headers = _headers(coding, dice)
    line = dice.choice(STATUS_LINES).format(dice.choice([200, 200, 201, 202, 203, 206]))
    framing = "close" if line.startswith("HTTP/1.0") else dice.choice(["length", "chunked", "close"])
    # A length that is too long, where asking again would give it again.
    is_long = framing == "length" and method == "GET" and dice.random() < 0.3
    if framing == "length":
        headers.insert(dice.randrange(len(headers) + 1), _spelled(f"Content-Length: {len(packed) + 9 * is_long}", dice))
    elif framing == "chunked":
        headers.append(dice.choice(["Transfer-Encoding: chunked", "transfer-encoding: Chunked"]))
        packed = _chunked(packed, dice)
    is_last = framing == "close" or is_long or dice.random() < 0.5
    head = "\r\n".join([line, *headers, *["Connection: close"] * is_last, "", ""])
    encoded = head.encode("utf-8" if dice.random() < 0.5 else "latin-1", "replace")
    interim = b"".join(dice.choice(INTERIM) for _ in range(dice.choice([0, 0, 0, 1, 3])))
    if not case.is_whole:
        return _break(encoded, packed, interim, dice)
    whole = interim + encoded + packed
    return [whole] if dice.random() < 0.5 else _cut(whole, dice), "close" if is_last else "keep"


def _pack(body: bytes, dice: random.Random) -> tuple[str | None, bytes]:
    """A content coding and the body in it, or a label that is not true."""
    label = dice.choice([*PLAIN_CODINGS, None, None, None, None, None])
    if label is not None or dice.random() < 0.6:
        return label, body
    label = dice.choice(["gzip", "x-gzip", "GZIP, identity", "deflate", "aws-chunked, gzip", "zlib as gzip", "", None])
    if label == "zlib as gzip":
        return "gzip", zlib.compress(body)
    return label, zlib.compress(body) if label == "deflate" else gzip.compress(body)


def _headers(coding: str | None, dice: random.Random) -> list[str]:
    headers: list[str] = []
    if coding is not None:
        headers += [f"Content-Encoding: {part}" for part in coding.split(", " if dice.random() < 0.2 else "\0")]
    if dice.random() < 0.8:
        headers.append(f"Content-Type: {dice.choice(TYPES)}")
    if dice.random() < 0.3:
        headers.append(f"{dice.choice(['Retry-After', 'retry-after-ms', 'RETRY-AFTER'])}: {dice.choice(RETRY_AFTER)}")
    headers += dice.sample(ODD_HEADERS, dice.choice([0, 0, 1, 3, 8]))
    if dice.random() < 0.05:
        headers += [f"X-{number}: {'x' * 500}" for number in range(128)]  # 64 kB in all
    if dice.random() < 0.05:
        headers.append(f"Set-Cookie: {'x' * dice.choice([8_000, 20_000, 60_000])}")
    headers = [_spelled(header, dice) for header in headers]
    dice.shuffle(headers)
    return headers


def _spelled(header: str, dice: random.Random) -> str:
    name, _, value = header.partition(":")
    return f"{dice.choice([name, name, name.lower(), name.upper()])}:{value}"


def _chunked(body: bytes, dice: random.Random) -> bytes:
    out, start = b"", 0
    while start < len(body):
        piece = body[start : start + dice.choice([1, 100, 1000, 10_000])]
        extension = dice.choice([b"", b"", b";a=b", b';x="y"'])
        out += f"{len(piece):{dice.choice(['x', 'X', '04x'])}}".encode() + extension + b"\r\n" + piece + b"\r\n"
        start += len(piece)
    return out + b"0\r\n" + dice.choice([b"", b"", b"X-Checksum: 1\r\n"]) + b"\r\n"


def _cut(whole: bytes, dice: random.Random) -> list[bytes]:
    places = sorted({dice.randrange(len(whole) + 1) for _ in range(dice.choice([1, 3, 10]))} | {0, len(whole)})
    return [whole[start:end] for start, end in itertools.pairwise(places)]


def _break(head: bytes, body: bytes, interim: bytes, dice: random.Random) -> tuple[list[bytes], str]:
    """Framing that lies or breaks, statuses that have no body or do not exist, and bytes that are no HTTP."""
    ending = dice.choice(["close", "close", "abort", "hang"])
    broken = [
        head.replace(b"ontent-Length: ", b"ontent-Length: 9"),
        head.replace(b"ontent-Length: ", b"ontent-Length: -"),
        head.replace(b"ontent-Length: ", b"ontent-Length: 5, "),
        head.replace(b"ontent-Length: ", b"ontent-Length: 5\r\nContent-Length: "),
        head.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
        head.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
        head.replace(b"\r\n\r\n", b"\r\n folded: value\r\n\r\n"),
        head.replace(b"\r\n\r\n", b"\r\nno colon\r\n\r\n"),
        head.replace(b"\r\n\r\n", b"\r\nX: a\0b\r\n\r\n"),
        head.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n"),
        head.replace(b"\r\n", b"\n"),
        head[: dice.randrange(len(head))],
        b"\x16\x03\x01\x02\x00" + head,
        b"\r\n\r\n" + head,
        *(b"HTTP/1.1 %d X" % status + head[head.index(b"\r\n") :] for status in dice.sample(STATUSES, 8)),
        dice.randbytes(200),
        b"",
    ]
    bodies = [body, body, body[: dice.randrange(len(body) + 1)], b"<html>200</html>", b"", b"ffffffffff\r\n" + body]
    whole = dice.choice([interim, interim, interim * 400]) + dice.choice(broken) + dice.choice(bodies)
    if dice.random() < 0.2:
        at = dice.randrange(len(whole) + 1)
        whole = whole[:at] + dice.randbytes(dice.randint(1, 6)) + whole[at:]
    return _cut(whole, dice), ending


STATUSES = [101, 199, 204, 205, 207, 226, 299, 300, 302, 303, 304, 307, 400, 402, 404, 410, 418, 425, 429, 451]
STATUSES += [499, 500, 501, 502, 503, 504, 507, 520, 524, 529, 530, 599, 600, 999]


@dataclass
class WireServer:
    """Answers each request by the case that its path names."""

    cases: dict[str, Case] = field(default_factory=dict)
    port: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer) == "keep":
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        length = next((line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b"0")
        await reader.readexactly(int(length))
        case = self.cases[path.split("/")[1]]
        pieces, ending = case.receiver or _response(case, method, path.partition("?")[0])
        for piece in pieces:
            if writer.transport.is_closing():
                return "close"
            writer.write(piece)
            await asyncio.sleep(0)
        await writer.drain()
        if ending == "hang":
            await asyncio.sleep(HANG_S)
        if ending == "close":
            writer.write_eof()
            await reader.read()
        return ending

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        running: set[asyncio.Task[Any]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self.handle(reader, writer))
            running.add(task)
            task.add_done_callback(running.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in tuple(running):
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


def make_receiver(seed: int) -> tuple[Case, int]:
    """A webhook's receiver that gets as far as its status line, whatever comes after that; and that status."""
    dice = random.Random(seed)
    case = Case("webhook", seed, is_whole=True, dice=dice)
    status = dice.choice(
        [101, 200, 201, 202, 204, 205, 206, 226, 299, 300, 302, 304, 307, 400, 404, 410, 429, 500, 503, 599]
    )
    line = dice.choice(STATUS_LINES).format(status).encode()
    body = dice.choice([b"", b"ok", png(), gzip.compress(b"said"), b"x" * 200_000])
    headers = [
        "Content-Length: " + dice.choice([str(len(body)), str(len(body)), "0", "99999", "-1", "x", "5, 6", ""]),
        "Transfer-Encoding: " + dice.choice(["chunked", "identity", "gzip, chunked", "x"]),
        "Content-Encoding: " + dice.choice([*PLAIN_CODINGS, "gzip", "br"]),
        "Retry-After: " + dice.choice(RETRY_AFTER),
        "Set-Cookie: " + "x" * dice.choice([10, 17_000, 70_000]),
        "X: 1\r\n folded: 2",
        "no colon",
        ": no name",
        "X\0Y: a\0b",
        *dice.sample(ODD_HEADERS, 5),
    ]
    headers = [_spelled(header, dice) for header in dice.sample(headers, dice.choice([0, 1, 2, 4]))]
    body = _chunked(body, dice) if dice.random() < 0.3 else body
    end = dice.choice([b"\r\n", b"\r\n", b"\r\n", b"\n"])
    encoded = [header.encode(dice.choice(["utf-8", "latin-1"]), "replace") for header in headers]
    rest = b"".join(header + end for header in encoded) + end + body
    rest = dice.choice([rest, rest, rest, rest[: dice.randrange(len(rest) + 1)], dice.randbytes(50)])
    interim = b"".join(dice.choice(INTERIM) for _ in range(dice.choice([0, 0, 0, 1, 20])))
    case.receiver = (_cut(interim + line + end + rest, dice), dice.choice(["close", "close", "abort", "hang"]))
    return case, status


async def run_receiver(server: WireServer, client: EgressClient, case: Case) -> int | str:
    """The status that a webhook's delivery reports, or why it failed."""
    assert case.receiver
    server.cases[f"webhook-{case.seed}"] = case
    url = CheckedUrl(Purpose.CALLBACK, "http", "127.0.0.1", server.port, f"/webhook-{case.seed}")
    total_s = 3.0 if case.receiver[1] == "hang" else PATIENCE_S
    try:
        posted = await asyncio.wait_for(client.post(url, b"{}", {}, total_s=total_s), HANG_S)
    except FetchFailed as failed:
        return str(failed)
    else:
        return posted.status if posted.excerpt.isprintable() else "the excerpt is not printable"


def find_receiver_faults(seeds: range) -> list[str]:
    """Where a delivery reported anything but the status that its receiver sent."""
    faults: list[str] = []

    async def one(server: WireServer, client: EgressClient, seed: int, slots: asyncio.Semaphore) -> None:
        case, status = make_receiver(seed)
        async with slots:
            try:
                reported = await run_receiver(server, client, case)
            except Exception as error:  # noqa: BLE001 - which exceptions leave is what is asked
                reported = repr(error)
        # A reset may overtake the bytes before it.
        if reported != status and not (case.receiver and case.receiver[1] == "abort" and "reset" in str(reported)):
            faults.append(f"seed {seed}: {reported} instead of {status}")

    async def all_of_them() -> None:
        server, slots = WireServer(), asyncio.Semaphore(32)
        async with server.serve():
            client = EgressClient(EgressRules(allow=(AllowEntry("127.0.0.1/32", server.port),)))
            try:
                await asyncio.gather(*(one(server, client, seed, slots) for seed in seeds))
            finally:
                await client.close()

    asyncio.run(all_of_them())
    return faults


async def run_case(server: WireServer, case: Case, directory: Path) -> Outcome:
    name = f"{case.protocol}-{case.seed}"
    case.base = f"http://127.0.0.1:{server.port}/{name}"
    server.cases[name] = case
    patience_s = PATIENCE_S if case.is_whole else BROKEN_PATIENCE_S

    async def fetch(url: str, target: Path, max_bytes: int) -> Download | DownloadFailed:
        target.unlink(missing_ok=True)  # as the program does before a download is repeated
        resolver = ThreadedResolver()
        return await download_result(
            url, case.base, target, rules=RULES, max_bytes=max_bytes, total_s=patience_s, resolver=resolver
        )

    typed: Fetch = fetch
    config = make_config(0, protocol=case.protocol, base_url=case.base, timeout_s=patience_s)
    # The client drops what it has buffered where a body breaks off: then the next download has it.
    retry = RetrySchedule(0.01, 0.02, PATIENCE_S if case.is_whole else 0.05)
    schedule = PollSchedule(0.01, 0.01, 0.02, patience_s)
    upstream = make_upstream(directory, config, typed, poll_schedule=schedule, download_retry=retry)
    try:
        return await asyncio.wait_for(upstream.produce(make_call(attempt_id=f"att_{name}"), CallHooks()), HANG_S)
    finally:
        await upstream.close()
        del server.cases[name]


def find_faults(protocol: str, seeds: range, directory: Path) -> tuple[dict[str, int], list[str]]:
    """How often each outcome came, and what was wrong. A failed seed can be run alone."""
    counts: dict[str, int] = {"whole": 0}
    faults: list[str] = []

    async def one(server: WireServer, seed: int, slots: asyncio.Semaphore) -> None:
        case = make_case(protocol, seed)
        async with slots:
            try:
                outcome = await run_case(server, case, directory)
            except Exception as error:  # noqa: BLE001 - which exceptions leave is what is asked
                faults.append(f"seed {seed}: {error!r}")
                return
        name = type(outcome).__name__
        counts[name] = counts.get(name, 0) + 1
        counts["whole"] += case.is_whole
        if case.is_whole and not isinstance(outcome, Produced):
            faults.append(f"seed {seed}: a whole image was lost: {outcome}"[:400])

    async def all_of_them() -> None:
        server, slots = WireServer(), asyncio.Semaphore(32)
        async with server.serve():
            await asyncio.gather(*(one(server, seed, slots) for seed in seeds))

    asyncio.run(all_of_them())
    return counts, faults
