"""docs/openai-conformance.md, which `make clients` writes, is of the pinned packages and of the rows of today."""

from __future__ import annotations

from tests.recipes.conformance import PAGE, ROWS, head


def test_conformance_is_of_the_pins_and_rows_of_today() -> None:
    page = PAGE.read_text("utf-8").splitlines()
    assert head() in page, "run `make clients`"
    table = [line for line in page if line.startswith("| `")]
    assert [line.split(" | ")[:2] for line in table] == [[f"| `{row.method}`", row.label] for row in ROWS]
