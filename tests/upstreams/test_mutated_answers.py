"""Mutated answers of every protocol: nothing but outcomes comes of them, and no image that is whole is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.upstreams.mutation import PROTOCOLS, find_faults


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_300_mutated_answers(protocol: str, tmp_path: Path) -> None:
    counts, faults = find_faults(protocol, range(300), tmp_path)
    assert not faults, (len(faults), faults[:5])
    assert counts["whole"] > 150
