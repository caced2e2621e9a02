"""GET /reference: the document as one page for people, without a script.

Knows: HTML. Refuses to know: the API; all that it shows is in `/openapi.json`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Request, Response, get

from imagegate.api.openapi.operation import Operation, ResponseHeader
from imagegate.api.reference_style import STYLE
from imagegate.api_docs.curl import curl_command
from imagegate.api_docs.rules import Fields, describe_constraints, describe_type, object_fields, resolve

_METHODS = ("get", "head", "post", "patch", "delete")
_Entry = dict[str, Any]


class Page(msgspec.Struct, frozen=True):
    """The page as it is sent."""

    plain: bytes
    zipped: bytes
    etag: str
    policy: str


def build_reference(document: bytes) -> Page:
    text = _page(msgspec.json.decode(document)).encode()
    style = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(text, gzip.compress(text, mtime=0), f'"{hashlib.sha256(text).hexdigest()[:32]}"', policy)


@get(
    "/reference",
    operation=Operation(
        summary="This document as a page for people",
        tag="operations",
        media_type="text/html",
        public=True,
        response_headers=(
            ResponseHeader("ETag", {"type": "string", "pattern": '^"[0-9a-f]{32}"$'}, "Of this page", required=True),
        ),
        statuses={200: "The page", 304: "It is the page that is known"},
    ),
)
async def get_reference(request: Request[Any, Any, Any], reference: Page) -> Response[bytes]:
    headers = {
        "ETag": reference.etag,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": reference.policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    if reference.etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type="text/html")
    zipped = re.search(r"(?i)\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", request.headers.get("accept-encoding", ""))
    headers |= {"Content-Encoding": "gzip"} if zipped else {}
    content = reference.zipped if zipped else reference.plain
    return Response(content, headers=headers, media_type="text/html")


def _page(document: _Entry) -> str:
    info, tags = document["info"], document["tags"]
    links = "".join(f'<li><a href="#{tag["name"]}">{_text(tag["name"])}</a>' for tag in tags)
    about = "".join(f"<p>{_inline(part)}" for part in info["description"].split("\n\n"))
    server = document["servers"][0]["url"]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{_text(info["title"])} API reference</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<style>{STYLE}</style>"
        f"<header><h1>{_text(info['title'])} <small>{_text(info['version'])}</small></h1>"
        f'<p class="lead">{_text(info["summary"])}{about}'
        f"<p>Base address <code>{_text(server)}</code>. The examples run as they are where <code>IMAGEGATE_KEY</code>"
        " holds a key, and <code>TASK_ID</code> and its like the id of something of yours. For programs:"
        ' <a href="/openapi.json">openapi.json</a>.</header>'
        f'<nav aria-label="Sections"><ul>{links}<li><a href="#types">types</a></ul></nav>'
        f"<main>{''.join(_section(document, tag) for tag in tags)}{_types(document)}</main></html>"
    )


def _section(document: _Entry, tag: _Entry) -> str:
    shown = "".join(
        _operation(document, method, path, one)
        for path, method, one in _operations(document["paths"])
        if tag["name"] in one["tags"]
    )
    hooks = "".join(
        _operation(document, "sent", name, hook["post"])
        for name, hook in document["webhooks"].items()
        if tag["name"] in hook["post"]["tags"]
    )
    return f'<section id="{tag["name"]}"><h2>{tag["name"]}</h2><p>{_inline(tag["description"])}{shown}{hooks}</section>'


def _operations(paths: _Entry) -> Iterator[tuple[str, str, _Entry]]:
    for path, methods in paths.items():
        yield from ((path, method, methods[method]) for method in _METHODS if method in methods)


def _operation(document: _Entry, method: str, path: str, one: _Entry) -> str:
    sent = method == "sent"
    name, word = one["operationId"], "webhook" if sent else method.upper()
    title = f'<a href="#{name}"><b class="{method}">{word}</b> <code>{_text(path)}</code></a>'
    about = "".join(f"<p>{_inline(part)}" for part in one.get("description", "").split("\n\n") if part)
    line = "" if sent else _text(curl_command(document["servers"][0]["url"], method, path, one))
    return (
        f'<article id="{name}"><h3>{title}{"" if sent else _lock(one)}</h3>'
        f'<p class="lead">{_inline(one["summary"])}.{about}{_parameters(document, one)}{_request(document, one)}'
        f"{f'<pre><code>{line}</code></pre>' if line else ''}{_answers(document, one)}</article>"
    )


def _lock(one: _Entry) -> str:
    return f' <span class="key">{"no key" if one.get("security") == [] else "key"}</span>'


def _parameters(document: _Entry, one: _Entry) -> str:
    rows: Fields = []
    for parameter in one.get("parameters", []):
        about = {"description": f"{parameter['description']} ({parameter['in']})"}
        rows.append((parameter["name"], {**parameter["schema"], **about}, parameter["required"]))
    return _table("Parameters", document, rows)


def _request(document: _Entry, one: _Entry) -> str:
    content = one.get("requestBody", {}).get("content", {})
    return "".join(
        _table(f"Body: {media}", document, object_fields(document, body["schema"])) for media, body in content.items()
    )


def _table(title: str, document: _Entry, fields: Fields) -> str:
    rows = "".join(
        f"<tr><th><code>{_text(name)}</code>{'<em>required</em>' if needed else ''}<td>{_type(document, field)}"
        f"<td>{_inline(resolve(document, field).get('description', ''))}{_rules(document, field)}"
        for name, field, needed in fields
    )
    return f'<div class="wide"><table><caption>{_text(title)}</caption>{rows}</table></div>' if rows else ""


def _type(document: _Entry, field: _Entry) -> str:
    """Names of structs lead to them."""
    schemas = document["components"]["schemas"]
    words = re.split(r"\b", describe_type(document, field))
    return "".join(f'<a href="#type-{word}">{word}</a>' if word in schemas else _text(word) for word in words)


def _rules(document: _Entry, field: _Entry) -> str:
    rules = describe_constraints(document, field)
    return f"<small>{_inline('; '.join(rules))}</small>" if rules else ""


def _answers(document: _Entry, one: _Entry) -> str:
    return (
        '<div class="answers">'
        + "".join(_answer(document, status, resolve(document, answer)) for status, answer in one["responses"].items())
        + "</div>"
    )


def _answer(document: _Entry, status: str, answer: _Entry) -> str:
    shown = ""
    for media, content in answer.get("content", {}).items():
        named = content.get("examples", {}).values()
        values = (
            [content["example"]] if "example" in content else [resolve(document, value)["value"] for value in named]
        )
        kind = f"<p>{_type(document, content['schema'])}" if "schema" in content else f"<p>{_text(media)}"
        shown += kind + "".join(f"<pre><code>{_json(value)}</code></pre>" for value in values)
    headers = {
        name: resolve(document, one) for name, one in answer.get("headers", {}).items() if name != "x-request-id"
    }
    rows: Fields = [
        (name, {**one["schema"], "description": one["description"]}, False) for name, one in headers.items()
    ]
    told = f"{_table('Headers', document, rows)}{shown}"
    title = f'<b class="s{status[0]}">{status}</b> {_inline(answer["description"])}'
    return f"<details><summary>{title}</summary>{told}</details>" if told else f"<p class=bare>{title}"


def _types(document: _Entry) -> str:
    shown = ""
    for name, schema in document["components"]["schemas"].items():
        words = f"<p>One of {_inline(' '.join(f'`{value}`' for value in schema['enum']))}" if "enum" in schema else ""
        about = f"<p>{_inline(schema.get('description', ''))}"
        table = _table("Fields", document, object_fields(document, schema))
        shown += f'<article id="type-{name}"><h3><code>{name}</code></h3>{about}{words}{table}</article>'
    return f'<section id="types"><h2>types</h2>{shown}</section>'


def _json(value: Any) -> str:
    return _text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))


def _text(value: Any) -> str:
    return html.escape(str(value), quote=True)


def _inline(value: str) -> str:
    """Escaped; what stands in backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(value))
