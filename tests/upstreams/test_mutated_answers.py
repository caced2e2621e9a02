"""Mutated answers of every protocol: nothing but outcomes comes of them, and no image that is whole is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.upstreams import mutation, wire_mutation


@pytest.mark.parametrize("protocol", mutation.PROTOCOLS)
def test_100_mutated_answers(protocol: str, tmp_path: Path) -> None:
    counts, faults = mutation.find_faults(protocol, range(100), tmp_path)
    assert not faults, (len(faults), faults[:5])
    assert counts["whole"] > 40


@pytest.mark.parametrize("protocol", wire_mutation.PROTOCOLS)
def test_60_answers_with_odd_heads_and_framing(protocol: str, tmp_path: Path) -> None:
    counts, faults = wire_mutation.find_faults(protocol, range(60), tmp_path)
    assert not faults, (len(faults), faults[:5])
    assert counts["whole"] > 25


def test_60_odd_receivers_of_webhooks() -> None:
    faults = wire_mutation.find_receiver_faults(range(60))
    assert not faults, (len(faults), faults[:5])
