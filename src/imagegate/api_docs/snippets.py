"""Programs in Python and JavaScript that call an operation, made from its description in the document.

They use the standard libraries alone and run as they stand where `IMAGEGATE_KEY` holds a key and variables such as
`TASK_ID` hold the ids in the URL. Forms with files are left to curl.
"""

from __future__ import annotations

import json
import pprint
from typing import Any

from imagegate.api_docs.curl import example_headers, example_url, json_example

_PYTHON = """import json
import os
import urllib.request

request = urllib.request.Request(
    {url},
    method={method},
    headers={{{headers}}},{data}
)
with urllib.request.urlopen(request) as answer:
    print(json.dumps(json.load(answer), indent=2))
"""
_JAVASCRIPT = """const answer = await fetch({url}, {{
  method: {method},
  headers: {{{headers}}},{data}
}});
console.log(JSON.stringify(await answer.json(), null, 2));
"""


def uses_only_json(operation: dict[str, Any]) -> bool:
    """Whether it takes and gives nothing but JSON."""
    takes = operation.get("requestBody", {}).get("content", {})
    gives = operation["responses"].get("200", {}).get("content", {})
    return "multipart/form-data" not in takes and set(gives) == {"application/json"}


def python_program(origin: str, method: str, path: str, operation: dict[str, Any]) -> str:
    body = json_example(operation)
    lines = []
    if operation.get("security") != []:
        lines.append('"Authorization": "Bearer " + os.environ["IMAGEGATE_KEY"]')
    lines += [f"{_text(name)}: {_text(value)}" for name, value in example_headers(operation)]
    data = (
        ""
        if body is None
        else f"\n    data=json.dumps({_indented(pprint.pformat(body, width=90, sort_dicts=False), 4)}).encode(),"
    )
    address = example_url(origin, path, operation, "{os.environ['%s']}")
    url = ("f" if "{" in address else "") + _text(address)
    text = _PYTHON.format(url=url, method=_text(method.upper()), headers=_block(lines, 8), data=data)
    return text if "os.environ" in text else text.replace("import os\n", "")


def javascript_program(origin: str, method: str, path: str, operation: dict[str, Any]) -> str:
    """An ES module for Node 18 or later, or any server with `process.env`."""
    body = json_example(operation)
    lines = ["Authorization: `Bearer ${process.env.IMAGEGATE_KEY}`"] if operation.get("security") != [] else []
    lines += [f"{_text(name)}: {_text(value)}" for name, value in example_headers(operation)]
    data = "" if body is None else f"\n  body: JSON.stringify({_indented(json.dumps(body, indent=2), 2)}),"
    address = example_url(origin, path, operation, "${process.env.%s}")
    url = f"`{address}`" if "$" in address else _text(address)
    return _JAVASCRIPT.format(url=url, method=_text(method.upper()), headers=_block(lines, 4), data=data)


def _block(lines: list[str], indent: int) -> str:
    """One entry a line, or nothing between the braces."""
    pad = " " * indent
    return "".join(f"\n{pad}{line}," for line in lines) + f"\n{pad[: indent // 2]}" if lines else ""


def _indented(text: str, by: int) -> str:
    return text.replace("\n", "\n" + " " * by)


def _text(value: str) -> str:
    """A string that both languages read."""
    return json.dumps(value, ensure_ascii=False)
