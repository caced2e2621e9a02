"""Every line of docs/spec/page.md has a test of its name that shows it in a browser."""

from __future__ import annotations

from pathlib import Path

from tests.docs.spec import ROOT, cited_by_name, definitions, every_test

HERE = str(Path(__file__).parent.relative_to(ROOT))


def test_every_line_has_a_test_of_its_name() -> None:
    lines = {name for name, file in definitions(planned=False).items() if file == "page.md"}
    assert len(lines) > 20
    shown = {cited_by_name(name) for file, name in every_test() if file.startswith(HERE)}
    assert sorted(lines - shown) == []
