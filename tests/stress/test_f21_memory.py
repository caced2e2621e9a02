"""F21 in full: 20 edits at once, each of 16 references of 16 MP and just under 50 MB, inside 512 MiB."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_many_references import Tell, edits_within


@pytest.mark.gate
@pytest.mark.fault("F21")
@pytest.mark.timeout(3000)
def test_f21_twenty_edits_of_sixteen_references(tmp_path: Path, record_property: Tell) -> None:
    edits_within(tmp_path, 20, (50 << 20) - 1, 4000, 2400, record_property)
