"""The request to the painter and its result."""

import hashlib

import msgspec


class PaintRequest(msgspec.Struct, frozen=True):
    """One image. Paths are local files; `out` is written by the painter, and before it `passes`, from the coarsest on;
    `compression` is 0 to 100."""

    prompt: str
    width: int
    height: int
    quality: str
    index: int
    references: tuple[str, ...]
    mask: str
    transparent: bool
    format: str
    compression: int
    out: str
    passes: tuple[str, ...] = ()


class PaintResult(msgspec.Struct, frozen=True):
    """The image file that was written; `bytes` is its size."""

    width: int
    height: int
    bytes: int
    media_type: str


class Detail(msgspec.Struct, frozen=True):
    """The detail of a quality: octaves of noise, layers of depth, density of small objects, strength of grain."""

    octaves: int
    layers: int
    abundance: float
    grain: float


_DETAIL_BY_QUALITY = {
    "low": Detail(octaves=3, layers=3, abundance=0.35, grain=2.2),
    "medium": Detail(octaves=5, layers=4, abundance=0.7, grain=1.8),
    "high": Detail(octaves=6, layers=5, abundance=1.0, grain=1.5),
    "xhigh": Detail(octaves=7, layers=6, abundance=1.25, grain=1.4),
    "max": Detail(octaves=7, layers=7, abundance=1.5, grain=1.3),
}


def detail_of(quality: str) -> Detail:
    if (quality or "medium") not in _DETAIL_BY_QUALITY:
        raise ValueError(f"no such quality: {quality!r}")
    return _DETAIL_BY_QUALITY[quality or "medium"]


def seed_of(request: PaintRequest, reference_digests: list[bytes]) -> int:
    """A seed from everything that may change the image, and from nothing else (no path, no clock)."""
    digest = hashlib.sha256()
    words = (request.prompt, f"{request.width}x{request.height}", request.quality or "medium", str(request.index))
    for part in (*(word.encode("utf-8", "surrogatepass") for word in words), *reference_digests):
        digest.update(len(part).to_bytes(8, "big") + part)
    return int.from_bytes(digest.digest(), "big")
