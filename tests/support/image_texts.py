"""Every form in which servers and people write an image as text."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Callable
from typing import Final
from urllib.parse import quote_from_bytes


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _encode_url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


IMAGE_TEXTS: Final[dict[str, Callable[[bytes], str]]] = {
    "base64": _encode,
    "base64 for URLs without padding": _encode_url_safe,
    "data URL": lambda data: f"data:image/png;base64,{_encode(data)}",
    "data URL in upper case": lambda data: f"DATA:IMAGE/PNG;BASE64,{_encode(data)}",
    "data URL without a type": lambda data: f"data:;base64,{_encode(data)}",
    "data URL of bytes": lambda data: f"data:application/octet-stream;base64,{_encode(data)}",
    "data URL with a parameter": lambda data: f"data:image/png;charset=utf-8;base64,{_encode(data)}",
    "data URL with spaces": lambda data: f" data:image/png; charset=utf-8; base64 ,{_encode(data)}",
    "data URL for URLs": lambda data: f"data:image/png;base64,{_encode_url_safe(data)}",
    "data URL without padding": lambda data: f"data:image/png;base64,{_encode(data).rstrip('=')}",
    "data URL in lines": lambda data: (
        "data:image/png;base64,\r\n" + "\r\n".join(textwrap.wrap(_encode(data), 60)) + "\n"
    ),
    "data URL with blanks": lambda data: "data:image/png;base64, " + " \t".join(textwrap.wrap(_encode(data), 60)),
    "data URL with escaped base64": lambda data: (
        f"data:image/png;base64,{quote_from_bytes(_encode(data).encode(), '')}"
    ),
    "data URL with percent-encoding": lambda data: f"data:image/png,{quote_from_bytes(data)}",
    "data URL with every byte percent-encoded": lambda data: (
        "data:image/png;x=y," + "".join(f"%{byte:02x}" for byte in data)
    ),
    "data URL of a data URL": lambda data: f"data:image/png;base64,data:image/png;base64,{_encode(data)}",
}
