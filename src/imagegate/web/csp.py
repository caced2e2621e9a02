"""The Content-Security-Policy of every page: nothing runs, shows or is called but what is ours.

The import map is the one inline script, because browsers read it from nowhere else; its hash allows it.
"""

from __future__ import annotations

import base64
import hashlib


def content_security_policy(import_map: str, origin: str) -> str:
    """`import_map` is the text between the script's tags; `origin` is where result links begin."""
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; connect-src 'self' {origin}; "
        f"img-src 'self' blob: {origin}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def page_headers(import_map: str, origin: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": content_security_policy(import_map, origin),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
