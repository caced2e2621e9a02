"""The parts of a request that several protocols share: dialect, quality, format, ratio and references."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from math import gcd, log
from pathlib import Path
from typing import Any, Final

from imagegate.catalog.routes import Dialect
from imagegate.domain.images import ImageOrder, Size
from imagegate.http.request_body import FilePart, file_part
from imagegate.images.sniff import SNIFF_BYTES, sniff
from imagegate.upstreams.base import MakeLink

MAX_INLINE_BYTES: Final = 10 * 1024 * 1024


def apply_dialect(fields: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Fields that are None are left out; then the dialect's `drop`, `rename` and `add` apply, in this order."""
    kept = {name: value for name, value in fields.items() if value is not None and name not in dialect.drop}
    return {dialect.rename.get(name, name): value for name, value in kept.items()} | dialect.add


def quality_field(order: ImageOrder, dialect: Dialect) -> str | None:
    """The upstream's word for the quality, None for a model without qualities."""
    return dialect.qualities.get(order.quality, order.quality) or None


def format_fields(order: ImageOrder, dialect: Dialect) -> dict[str, Any]:
    """A format that the upstream does not make is asked for as PNG, which loses nothing, or else as the first one that
    it makes; the result is transcoded here."""
    wanted, made = order.output_format, dialect.output_formats
    chosen = wanted if wanted in made else "png" if "png" in made else made[0]
    compression = order.output_compression if chosen != "png" and chosen == wanted else None
    return {"output_format": chosen, "output_compression": compression}


def exact_ratio(size: Size, known: Sequence[str]) -> str:
    """The one of the `known` ratios that the size has, empty if none."""
    divisor = gcd(size.width, size.height)
    exact = f"{size.width // divisor}:{size.height // divisor}"
    return next((name for name in (size.requested, exact) if name in known), "")


def nearest_ratio(size: Size, known: Sequence[str]) -> str:
    """The ratio that was asked for, else the one nearest to the pixels."""
    if size.requested in known:
        return size.requested
    wanted = log(size.width / size.height)
    return min(known, key=lambda name: abs(wanted - _log_ratio(name)))


def _log_ratio(name: str) -> float:
    width, height = name.split(":")
    return log(int(width) / int(height))


def data_url(path: Path, files: dict[str, FilePart]) -> str:
    """A data URL whose base64 is a placeholder, entered into `files` for `json_body`.

    Nobody can guess the placeholder, so no prompt can hold one.
    """
    placeholder = f"@{secrets.token_hex(16)}@"
    files[placeholder] = file_part(path, as_base64=True)
    return f"data:{sniff_media_type(path)};base64,{placeholder}"


async def image_urls(paths: Sequence[Path], link: MakeLink, files: dict[str, FilePart]) -> list[str]:
    """`data:` URLs while all images together are small, else links to our own copies."""
    return await asyncio.to_thread(_image_urls, paths, link, files)


def _image_urls(paths: Sequence[Path], link: MakeLink, files: dict[str, FilePart]) -> list[str]:
    if sum(path.stat().st_size for path in paths) > MAX_INLINE_BYTES:
        return [link(path) for path in paths]
    return [data_url(path, files) for path in paths]


def sniff_media_type(path: Path) -> str:
    with path.open("rb") as file:
        return sniff(file.read(SNIFF_BYTES)) or "application/octet-stream"
