"""Examples on the page of a model: images, and the prompt and settings that each of them was made with.

An example is an image and a TOML file of the same name. The operator's are in the folder `examples` of the data folder;
where there is no such folder the page shows those in `static/img/examples`, which the embedded engine drew.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import itertools
import secrets
import stat
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from imagegate.images.inspect import MAX_BYTES
from imagegate.images.jobs import thumbnail
from imagegate.images.jobs.decode import CPU_S, ImageSize
from imagegate.images.jobs.process_pool import JobFailed, WorkerDied
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.web.assets import Assets

FOLDER = "examples"
MAX_EXAMPLES = 12
_MAX_FILES = 200
MAX_TEXT_BYTES = 64 * 1024
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_WALL_S = 20.0
_SHIPPED = "img/examples"


class ExampleText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The TOML file: fields of a request, and the language of the page that shows it (every language without one)."""

    prompt: Annotated[str, msgspec.Meta(min_length=1)]
    model: str | None = None
    size: str | None = None
    resolution: str | None = None
    quality: str | None = None
    n: int | None = None
    background: str | None = None
    output_format: str | None = None
    language: Literal["en", "ko"] | None = None


class Example(msgspec.Struct, frozen=True):
    """`image` is its address."""

    name: str
    text: ExampleText
    image: str


class ExampleSet(msgspec.Struct, frozen=True):
    """What the pages show; `version` changes with it. `shipped`: it came with the program."""

    version: str
    examples: tuple[Example, ...]
    shipped: bool = False


class _Pair(msgspec.Struct, frozen=True):
    """The two files of an example; `state` changes when one of them is replaced."""

    name: str
    text: Path
    image: Path
    state: tuple[int, ...]


class Examples:
    """The folder is read again whenever a file in it has changed."""

    def __init__(self, runtime: Runtime, assets: Assets) -> None:
        self._runtime = runtime
        self._assets = assets
        self._lock = asyncio.Lock()
        self._pairs: tuple[_Pair, ...] = ()
        self._own = ExampleSet("empty", ())
        self._drawn: dict[_Pair, bytes] = {}
        self._images: dict[str, bytes] = {}

    async def current(self) -> ExampleSet:
        folder = self._runtime.settings.data_dir / FOLDER
        pairs = await asyncio.to_thread(_find_pairs, folder)
        if pairs is None:
            return self._shipped
        async with self._lock:  # visitors who come meanwhile wait for the one drawing
            if pairs != self._pairs:
                self._own = await self._load(pairs)
                self._pairs = pairs
        return self._own

    async def image(self, name: str) -> bytes | None:
        """A drawn one, as WebP. The page may have come from another process."""
        if name not in self._images:
            await self.current()
        return self._images.get(name)

    @functools.cached_property
    def _shipped(self) -> ExampleSet:
        folder = Path(str(resources.files("imagegate.web") / "static" / _SHIPPED))
        examples = (
            Example(file.stem, read_text(file), self._assets.url(f"{_SHIPPED}/{file.stem}.webp"))
            for file in sorted(folder.glob("*.toml"))
        )
        return ExampleSet("", tuple(examples), shipped=True)

    async def _load(self, pairs: tuple[_Pair, ...]) -> ExampleSet:
        drawn = dict(zip(pairs, await asyncio.gather(*(self._read(pair) for pair in pairs)), strict=True))
        usable = {pair: found for pair, found in drawn.items() if found}
        self._drawn = {pair: content for pair, (_, content) in usable.items()}
        addresses = {pair: f"{hashlib.sha256(content).hexdigest()[:16]}.webp" for pair, content in self._drawn.items()}
        self._images = {addresses[pair]: content for pair, content in self._drawn.items()}
        examples = tuple(
            Example(pair.name, text, f"/web/examples/{addresses[pair]}") for pair, (text, _) in usable.items()
        )
        return ExampleSet(hashlib.sha256(repr(pairs).encode()).hexdigest()[:16], examples)

    async def _read(self, pair: _Pair) -> tuple[ExampleText, bytes] | None:
        """None where a file is no use: the log says why."""
        try:
            text = await asyncio.to_thread(read_text, pair.text)
            return text, self._drawn.get(pair) or await self._draw(pair.image)
        except (ValueError, OSError, JobFailed, WorkerDied) as error:
            log_warning("example_ignored", name=pair.name, reason=str(error))
            return None

    async def _draw(self, source: Path) -> bytes:
        """Small enough for the first look at a page, and without what a camera adds."""
        incoming = self._runtime.settings.data_dir / "incoming"
        target = incoming / f"example-{secrets.token_hex(8)}.webp"
        try:
            await asyncio.to_thread(incoming.mkdir, mode=0o700, parents=True, exist_ok=True)
            request = thumbnail.ThumbnailRequest(str(source), str(target))
            await self._runtime.thumbnail_pool.run(thumbnail.JOB, request, ImageSize, cpu_s=CPU_S, wall_s=_WALL_S)
            return await asyncio.to_thread(target.read_bytes)
        finally:
            await asyncio.to_thread(target.unlink, missing_ok=True)


def _find_pairs(folder: Path) -> tuple[_Pair, ...] | None:
    """By name; None without the folder."""
    try:
        files = {file.name: file for file in itertools.islice(folder.iterdir(), _MAX_FILES)}
    except OSError:
        return None
    pairs = []
    for name in sorted(name for name in files if name.endswith(".toml")):
        text = files[name]
        image = next((files[found] for end in _IMAGE_SUFFIXES if (found := f"{text.stem}{end}") in files), None)
        if image and (state := _state(text, image)):
            pairs.append(_Pair(text.stem, text, image, state))
    return tuple(pairs[:MAX_EXAMPLES])


def _state(*files: Path) -> tuple[int, ...]:
    """Empty where one is gone meanwhile, is no file or is too large for an image."""
    try:
        found = [file.stat() for file in files]
    except OSError:
        return ()
    if any(one.st_size > MAX_BYTES or not stat.S_ISREG(one.st_mode) for one in found):
        return ()
    return tuple(figure for one in found for figure in (one.st_mtime_ns, one.st_size))


def read_text(file: Path) -> ExampleText:
    """ValueError for anything else than an example."""
    with file.open("rb") as source:
        content = source.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise ValueError(f"{file.name} is larger than {MAX_TEXT_BYTES} bytes")
    try:
        return msgspec.toml.decode(content, type=ExampleText)
    except RecursionError as error:
        raise ValueError(f"{file.name} is nested too deeply") from error
