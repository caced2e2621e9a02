"""What people expect of the page, line by line, and the check that each has a test of its name.

Knows: an id and a few words for every line: `l07` of the playground, `d_keys` of the dashboard; a test that begins with
`test_<id>` shows it in a browser. Refuses to know: how.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

LINES = {
    "l01": "references by drop, picker, paste and address; thumbnails, order, removal; refused in the API's words",
    "l02": "the price follows every change within 50 ms of the quote, expected and at most, with its lines",
    "l03": "balance, hold, and the balance after this run",
    "l04": "ratios show real pixels; custom snaps to 16 and says why not; auto",
    "l05": "the prompt is counted in code points, to 32,000",
    "l06": "keys run, close, focus, and show themselves",
    "l07": "several runs, each with state, elapsed, typical time, progress, cancel",
    "l08": "a reload or a closed tab loses nothing",
    "l09": "the last 20 at a glance, all of it searchable, thumbnails alone",
    "l10": "requested against actual; upstream and cost for the operator only",
    "l11": "run again, edit and run again, use a result as a reference",
    "l12": "compare two to four, side by side and by slider; zoom, arrows, copy, original",
    "l13": "brush, eraser, invert, undo; a valid alpha PNG",
    "l14": "cURL, Python and JavaScript that run unmodified",
    "l15": "drafts in low, then the final in high in one click",
    "l16": "a zip of several with a JSON beside each; a countdown to expiry",
    "l17": "themes, keyboard, screen reader, phone, errors that say what to do and what was charged",
    "l18": "quick first paint, no shift while prices change, no other host",
    "d_keys": "create, name, limits, expiry, disable; shown once",
    "d_credits": "credits and ledger",
    "d_usage": "usage by day, model and key, as plots",
    "d_tasks": "tasks with filter, and detail with its attempts",
    "d_webhooks": "deliveries with request, answer and replay",
    "d_accounts": "the operator's accounts and grants",
    "d_routes": "the operator's routes with health and margin",
    "d_overruns": "the operator's overruns",
}
_ID = re.compile(r"test_(l\d\d|d_[a-z]+)(_|$)")


def _named() -> list[str]:
    functions = [
        node.name
        for file in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    return [found[1] for name in functions if (found := _ID.match(name))]


def test_every_line_has_a_test_of_its_name_and_no_name_is_made_up() -> None:
    assert set(_named()) == set(LINES)
