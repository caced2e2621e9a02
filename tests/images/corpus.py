"""Image files, good, odd and hostile, made when they are asked for, each with the verdict that it must get.

`inspect_verdict` is the verdict of `inspect`: (media type, width, height, alpha), or the reason of the refusal;
`checksum_verdict` that with checksums, where it is another one.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from PIL import Image

PNG, JPEG, WEBP = "image/png", "image/jpeg", "image/webp"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_BYTES = 52_428_800
InspectVerdict = tuple[str, int, int, bool] | str


@dataclass(frozen=True)
class Case:
    make: Callable[[], bytes]
    inspect_verdict: InspectVerdict
    checksum_verdict: str = ""


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return len(body).to_bytes(4) + name + body + zlib.crc32(name + body).to_bytes(4)


def png(width: int, height: int, *parts: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that promises what it likes; the image data is one empty row."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return SIGNATURE + header + b"".join(parts or (chunk(b"IDAT", zlib.compress(b"\0")),)) + chunk(b"IEND")


IDAT = chunk(b"IDAT", zlib.compress(b"\0"))


@cache
def encoded_image(kind: str, mode: str = "RGB", size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    """A real image from a real encoder."""
    stripes = bytes(range(256)) * (size[0] * size[1] * 8 // 256 + 1)
    depth = {"1": 0, "L": 1, "P": 1, "LA": 2, "I;16": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    pixels = stripes[: size[0] * size[1] * depth]
    image = Image.frombytes(mode, size, pixels) if depth else Image.new(mode, size)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def riff(*parts: bytes, size: int | None = None) -> bytes:
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def part(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def vp8x(width: int, height: int, flags: int = 0) -> bytes:
    edges = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return part(b"VP8X", bytes([flags, 0, 0, 0]) + edges)


def vp8(width: int, height: int) -> bytes:
    return part(b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + b"\0" * 20)


def vp8l(width: int, height: int, alpha: int = 0) -> bytes:
    bits = (width - 1) | (height - 1) << 14 | alpha << 28
    return part(b"VP8L", b"\x2f" + struct.pack("<I", bits) + b"\0" * 8)


def segment(marker: int, body: bytes = b"") -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2) + body


def sof(width: int, height: int, marker: int = 0xC0, bits: int = 8, layers: int = 1) -> bytes:
    return segment(marker, struct.pack(">BHHB", bits, height, width, layers) + b"\x01\x11\x00" * layers)


SCAN = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\x12\x34\xff\x00\x56\xff\xd0\x78"
SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def jpeg(*parts: bytes, end: bytes = EOI) -> bytes:
    return SOI + b"".join(parts) + end


def with_scans(count: int) -> bytes:
    """A real progressive image whose last scan is told again and again."""
    whole = encoded_image("JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    scan, present = whole[last:-2], whole.count(b"\xff\xda")
    return whole[:-2] + scan * (count - present) + EOI


def flip_bit(data: bytes, at: int, bit: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def fill_to_size(head: bytes, filler: bytes, size: int = MAX_BYTES) -> bytes:
    return (head + filler * ((size - len(head)) // len(filler)))[:size]


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=50)
    return out.getvalue()


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("index.html", "<script>alert(1)</script>")
    return out.getvalue()


def rotated_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded_image("JPEG", exif=exif.tobytes())


def deflate_bomb(size: int = 64 << 20) -> bytes:
    return zlib.compress(bytes(size))


def wav_file() -> bytes:
    return b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(28)


HTML = b"<!doctype html><script>alert(1)</script>"
GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00" + bytes(6) + b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
UNKNOWN = "unsupported_image_type"

CORPUS: dict[str, Case] = {
    # Images as people send them.
    "png rgb": Case(lambda: encoded_image("PNG"), (PNG, 40, 30, False)),
    "png rgba": Case(lambda: encoded_image("PNG", "RGBA"), (PNG, 40, 30, True)),
    "png grey": Case(lambda: encoded_image("PNG", "L"), (PNG, 40, 30, False)),
    "png grey alpha": Case(lambda: encoded_image("PNG", "LA"), (PNG, 40, 30, True)),
    "png palette": Case(lambda: encoded_image("PNG", "P"), (PNG, 40, 30, False)),
    "png palette with a hole": Case(lambda: encoded_image("PNG", "P", transparency=0), (PNG, 40, 30, True)),
    "png one bit": Case(lambda: encoded_image("PNG", "1"), (PNG, 40, 30, False)),
    "png 16 bit": Case(lambda: encoded_image("PNG", "I;16"), (PNG, 40, 30, False)),
    "png 16 bit colour": Case(lambda: png(2, 2, depth=16), (PNG, 2, 2, False)),
    "png 1x1": Case(lambda: encoded_image("PNG", size=(1, 1)), (PNG, 1, 1, False)),
    "jpeg": Case(lambda: encoded_image("JPEG"), (JPEG, 40, 30, False)),
    "jpeg grey": Case(lambda: encoded_image("JPEG", "L"), (JPEG, 40, 30, False)),
    "jpeg cmyk": Case(lambda: encoded_image("JPEG", "CMYK"), (JPEG, 40, 30, False)),
    "jpeg progressive": Case(lambda: encoded_image("JPEG", progressive=True), (JPEG, 40, 30, False)),
    "jpeg with restarts": Case(lambda: encoded_image("JPEG", restart_marker_blocks=1), (JPEG, 40, 30, False)),
    "jpeg 1x1": Case(lambda: encoded_image("JPEG", size=(1, 1)), (JPEG, 1, 1, False)),
    "jpeg on its side by EXIF": Case(rotated_jpeg, (JPEG, 40, 30, False)),
    "jpeg with a profile in parts": Case(
        lambda: encoded_image("JPEG", icc_profile=b"\xff\xda" * 100_000), (JPEG, 40, 30, False)
    ),
    "jpeg of a phone, film behind": Case(
        lambda: encoded_image("JPEG") + b"\xff\xda\0\x02" * 1000, (JPEG, 40, 30, False)
    ),
    "jpeg with junk between segments": Case(lambda: jpeg(sof(8, 8), b"\0\0\0\xff\xff", SCAN), (JPEG, 8, 8, False)),
    "jpeg with a marker across two blocks": Case(
        lambda: fill_to_size(jpeg(sof(8, 8), SCAN, end=b""), b"\x11", 65_537) + EOI, (JPEG, 8, 8, False)
    ),
    "jpeg of 100 scans": Case(lambda: with_scans(100), (JPEG, 40, 30, False)),
    "webp lossy": Case(lambda: encoded_image("WEBP"), (WEBP, 40, 30, False)),
    "webp lossless": Case(lambda: encoded_image("WEBP", lossless=True), (WEBP, 40, 30, False)),
    "webp alpha": Case(lambda: encoded_image("WEBP", "RGBA"), (WEBP, 40, 30, True)),
    "webp lossless alpha": Case(lambda: encoded_image("WEBP", "RGBA", lossless=True), (WEBP, 40, 30, True)),
    "webp with EXIF": Case(lambda: encoded_image("WEBP", exif=b"Exif\0\0xyz"), (WEBP, 40, 30, False)),
    "webp 1x1": Case(lambda: encoded_image("WEBP", size=(1, 1)), (WEBP, 1, 1, False)),
    # As large as it may be, and one more.
    "png 13000x13000": Case(lambda: png(13_000, 13_000), (PNG, 13_000, 13_000, False)),
    "png of just enough pixels": Case(lambda: png(13_377, 13_377), (PNG, 13_377, 13_377, False)),
    "png of one row too many": Case(lambda: png(13_377, 13_379), "too_many_pixels"),
    "png 30000x30000": Case(lambda: png(30_000, 30_000), "edge_too_long"),
    "png 23170x1": Case(lambda: png(23_170, 1), (PNG, 23_170, 1, False)),
    "png 23171x1": Case(lambda: png(23_171, 1), "edge_too_long"),
    "png of four thousand million": Case(lambda: png(0xFFFFFFFF, 0xFFFFFFFF), "edge_too_long"),
    "jpeg 65535x65535": Case(lambda: jpeg(sof(65_535, 65_535), SCAN), "edge_too_long"),
    "webp 16383x16383": Case(lambda: riff(vp8(16_383, 16_383)), "too_many_pixels"),
    "webp lossless 16384x16384": Case(lambda: riff(vp8l(16_384, 16_384)), "too_many_pixels"),
    "webp canvas 16777216x1": Case(lambda: riff(vp8x(1 << 24, 1), vp8(1, 1)), "corrupt"),
    "exactly 50 MB": Case(lambda: fill_to_size(encoded_image("PNG"), b"\0"), (PNG, 40, 30, False)),
    "50 MB and a byte": Case(lambda: fill_to_size(encoded_image("PNG"), b"\0", MAX_BYTES + 1), "too_large"),
    # Bombs and treadmills.
    "png zTXt bomb": Case(lambda: png(9, 9, chunk(b"zTXt", b"k\0\0" + deflate_bomb()), IDAT), (PNG, 9, 9, False)),
    "png iCCP bomb": Case(lambda: png(9, 9, chunk(b"iCCP", b"k\0\0" + deflate_bomb()), IDAT), (PNG, 9, 9, False)),
    "png iTXt bomb": Case(
        lambda: png(9, 9, chunk(b"iTXt", b"k\0\x01\0\0\0" + deflate_bomb()), IDAT), (PNG, 9, 9, False)
    ),
    "png 50 MB of text": Case(lambda: png(9, 9, chunk(b"tEXt", bytes(MAX_BYTES - 200)), IDAT), (PNG, 9, 9, False)),
    "png 50 MB of empty chunks": Case(lambda: fill_to_size(png(9, 9)[:33], chunk(b"teXt")), "too_many_parts"),
    "png 50 MB of tiny IDATs": Case(lambda: fill_to_size(png(9, 9)[:33], chunk(b"IDAT", b"x")), "too_many_parts"),
    "jpeg of 101 scans": Case(lambda: with_scans(101), "too_many_scans"),
    "jpeg of 1000 scans": Case(lambda: with_scans(1000), "too_many_scans"),
    "jpeg 50 MB of FF": Case(lambda: fill_to_size(jpeg(sof(8, 8), SCAN, end=b""), b"\xff"), "truncated"),
    "jpeg 50 MB of stuffing": Case(lambda: fill_to_size(jpeg(sof(8, 8), SCAN, end=b""), b"\xff\0"), "truncated"),
    "jpeg 50 MB of restarts": Case(lambda: fill_to_size(jpeg(sof(8, 8), SCAN, end=b""), b"\xff\xd3"), "truncated"),
    "jpeg 50 MB of empty comments": Case(lambda: fill_to_size(SOI, segment(0xFE)), "too_many_parts"),
    "jpeg 50 MB of TEM": Case(lambda: fill_to_size(SOI + b"\xff\x01", b"\xff\x01"), "too_many_parts"),
    "webp 50 MB of tiny chunks": Case(
        lambda: fill_to_size(riff(vp8x(8, 8), size=MAX_BYTES - 99), part(b"XMP ", b"")),
        "too_many_parts",
    ),
    # Moving images.
    "apng": Case(lambda: animation("PNG"), "animated"),
    "apng of one frame": Case(lambda: png(9, 9, chunk(b"acTL", bytes(7) + b"\x01"), IDAT), "animated"),
    "png with acTL too late": Case(lambda: png(9, 9, IDAT, chunk(b"acTL", bytes(8))), (PNG, 9, 9, False)),
    "webp animated": Case(lambda: animation("WEBP"), "animated"),
    "webp animated, only by its flag": Case(lambda: riff(vp8x(8, 8, 2), vp8(8, 8)), "animated"),
    "webp animated, flag unset": Case(lambda: riff(vp8x(8, 8), part(b"ANIM", bytes(6))), "animated"),
    "gif": Case(lambda: GIF, UNKNOWN),
    "gif animated": Case(lambda: animation("GIF"), UNKNOWN),
    # Nothing of the kind.
    "empty": Case(lambda: b"", UNKNOWN),
    "svg": Case(lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', UNKNOWN),
    "eps": Case(lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UNKNOWN),
    "html": Case(lambda: HTML, UNKNOWN),
    "pdf": Case(lambda: b"%PDF-1.7\n", UNKNOWN),
    "tiff": Case(lambda: encoded_image("TIFF"), UNKNOWN),
    "bmp": Case(lambda: encoded_image("BMP"), UNKNOWN),
    "avif": Case(lambda: b"\0\0\0\x1cftypavif" + bytes(40), UNKNOWN),
    "wave": Case(wav_file, UNKNOWN),
    "avi": Case(lambda: b"RIFF\x24\0\0\0AVI LIST" + bytes(40), UNKNOWN),
    "webp of no known kind": Case(lambda: riff(part(b"ICCP", bytes(20))), UNKNOWN),
    "jng": Case(lambda: b"\x8bJNG\r\n\x1a\n" + bytes(40), UNKNOWN),
    # Two things in one: what a decoder of the announced type would show is what counts.
    "png and html": Case(lambda: encoded_image("PNG") + HTML, (PNG, 40, 30, False)),
    "png and zip": Case(lambda: encoded_image("PNG") + archive(), (PNG, 40, 30, False)),
    "png with html inside": Case(lambda: png(9, 9, chunk(b"tEXt", b"k\0" + HTML), IDAT), (PNG, 9, 9, False)),
    "jpeg with html inside": Case(lambda: encoded_image("JPEG", comment=HTML), (JPEG, 40, 30, False)),
    "webp and html": Case(lambda: encoded_image("WEBP") + HTML, (WEBP, 40, 30, False)),
    "html and png": Case(lambda: HTML + encoded_image("PNG"), UNKNOWN),
    # Broken on the way.
    "png signature only": Case(lambda: SIGNATURE, "truncated"),
    "png cut in IHDR": Case(lambda: encoded_image("PNG")[:20], "truncated"),
    "png cut in half": Case(lambda: encoded_image("PNG")[: len(encoded_image("PNG")) // 2], "truncated"),
    "png without IEND": Case(lambda: encoded_image("PNG")[:-12], "truncated"),
    "png width flipped": Case(lambda: flip_bit(encoded_image("PNG"), 19), "corrupt"),
    "png data flipped": Case(lambda: flip_bit(encoded_image("PNG"), 60), (PNG, 40, 30, False), "corrupt"),
    "png length flipped": Case(lambda: flip_bit(encoded_image("PNG"), 33, 7), "truncated"),
    "png name flipped": Case(lambda: flip_bit(encoded_image("PNG"), 37, 6), "corrupt"),
    "png without data": Case(lambda: png(9, 9, chunk(b"tEXt", b"k\0v")), "corrupt"),
    "png with data in two places": Case(lambda: png(9, 9, IDAT, chunk(b"tEXt", b"k\0v"), IDAT), "corrupt"),
    "png with two headers": Case(lambda: png(9, 9, png(8, 8)[8:33], IDAT), "corrupt"),
    "png of a palette without one": Case(lambda: png(9, 9, colour=3), "corrupt"),
    "png of no colour type": Case(lambda: png(9, 9, colour=5), "corrupt"),
    "png 0x9": Case(lambda: png(0, 9), "zero_edge"),
    "png 9x0": Case(lambda: png(9, 0), "zero_edge"),
    "jpeg SOI only": Case(lambda: b"\xff\xd8\xff", "truncated"),
    "jpeg cut in the header": Case(lambda: encoded_image("JPEG")[:100], "truncated"),
    "jpeg cut in half": Case(lambda: encoded_image("JPEG")[: len(encoded_image("JPEG")) * 9 // 10], "truncated"),
    "jpeg without EOI": Case(lambda: encoded_image("JPEG")[:-2], "truncated"),
    "jpeg without a scan": Case(lambda: jpeg(sof(8, 8)), "corrupt"),
    "jpeg without a frame": Case(lambda: jpeg(SCAN), "corrupt"),
    "jpeg with two frames": Case(lambda: jpeg(sof(8, 8), sof(9, 9), SCAN), "corrupt"),
    "jpeg with a short frame": Case(lambda: jpeg(segment(0xC0, b"\x08\0\x08"), SCAN), "corrupt"),
    "jpeg with a segment of no length": Case(lambda: jpeg(b"\xff\xe1\0\0", sof(8, 8), SCAN), "corrupt"),
    "jpeg segment behind the end": Case(lambda: jpeg(sof(8, 8), b"\xff\xe1\xff\xff"), "truncated"),
    "jpeg scan flipped": Case(lambda: flip_bit(encoded_image("JPEG"), -20), (JPEG, 40, 30, False)),
    "jpeg of 12 bits": Case(lambda: jpeg(sof(8, 8, bits=12), SCAN), "corrupt"),
    "jpeg of two layers": Case(lambda: jpeg(sof(8, 8, layers=2), SCAN), "corrupt"),
    "jpeg lossless": Case(lambda: jpeg(sof(8, 8, 0xC3), SCAN), UNKNOWN),
    "jpeg hierarchical": Case(lambda: jpeg(sof(8, 8, 0xDE), SCAN), UNKNOWN),
    "jpeg 0x9": Case(lambda: jpeg(sof(0, 9), SCAN), "zero_edge"),
    "jpeg of unknown height": Case(lambda: jpeg(sof(9, 0), SCAN, segment(0xDC, b"\0\x09")), "zero_edge"),
    "webp head only": Case(lambda: encoded_image("WEBP")[:16], "truncated"),
    "webp cut in half": Case(lambda: encoded_image("WEBP")[: len(encoded_image("WEBP")) // 2], "truncated"),
    "webp length flipped": Case(lambda: flip_bit(encoded_image("WEBP"), 6), "truncated"),
    "webp start code flipped": Case(lambda: flip_bit(encoded_image("WEBP"), 23), "corrupt"),
    "webp data flipped": Case(lambda: flip_bit(encoded_image("WEBP"), -9), (WEBP, 40, 30, False)),
    "webp without a picture": Case(lambda: riff(vp8x(8, 8)), "truncated"),
    "webp of two sizes": Case(lambda: riff(vp8x(8, 8), vp8(9, 9)), "corrupt"),
    "webp 0x9": Case(lambda: riff(vp8(0, 9)), "zero_edge"),
    "webp of a later version": Case(lambda: riff(part(b"VP8L", b"\x2f\0\0\0\xe0" + bytes(8))), "corrupt"),
    "webp between frames": Case(lambda: riff(part(b"VP8 ", b"\x11\0\0\x9d\x01\x2a" + bytes(9))), "corrupt"),
}
