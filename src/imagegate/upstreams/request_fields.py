"""An order in the fields that several upstreams share, and its references as text.

Knows: the dialect's way of saying quality and format, and when a file is small enough to travel inside the request.
Refuses to know: any upstream's own field names.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imagegate.catalog.routes import Dialect
from imagegate.domain.images import ImageOrder
from imagegate.images import sniff
from imagegate.upstreams.downloads import Link

MAX_INLINE_BYTES = 10 * 1024 * 1024


def quality_field(order: ImageOrder, dialect: Dialect) -> str | None:
    """Their word for it, or None where the model has no qualities."""
    return dialect.qualities.get(order.quality, order.quality) or None


def format_fields(order: ImageOrder, dialect: Dialect) -> dict[str, Any]:
    """A format that they do not make is asked as the first that they do; it is transcoded here."""
    chosen = order.output_format if order.output_format in dialect.output_formats else dialect.output_formats[0]
    compressed = chosen != "png" and chosen == order.output_format
    return {"output_format": chosen, "output_compression": order.output_compression if compressed else None}


def apply_dialect(body: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """What is None is left out; then the dialect's `drop`, `rename` and `add`, in this order."""
    kept = {name: value for name, value in body.items() if value is not None and name not in dialect.drop}
    return {dialect.rename.get(name, name): value for name, value in kept.items()} | dialect.add


async def image_urls(files: Sequence[Path], link: Link) -> list[str]:
    """`data:` URLs while all of them together are small, else links to our own copies."""
    if await asyncio.to_thread(_total_bytes, files) > MAX_INLINE_BYTES:
        return [link(path) for path in files]
    return await asyncio.to_thread(lambda: [_data_url(path) for path in files])


def _total_bytes(files: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _data_url(path: Path) -> str:
    content = path.read_bytes()
    media_type = sniff(content[:16]) or "application/octet-stream"
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
