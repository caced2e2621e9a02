"""10,000 mutated answers per protocol; the seeds are new ones each time and named where something fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.upstreams import mutation, wire_mutation

CASES = 10_000
RecordProperty = Callable[[str, object], None]


def new_seeds() -> range:
    first = random.randrange(2**32)
    return range(first, first + CASES)


@pytest.mark.gate
@pytest.mark.timeout(900)
@pytest.mark.parametrize("protocol", mutation.PROTOCOLS)
def test_10000_mutated_answers(protocol: str, tmp_path: Path, record_property: RecordProperty) -> None:
    seeds = new_seeds()
    counts, faults = mutation.find_faults(protocol, seeds, tmp_path)
    record_property(protocol, f"{counts}, {len(faults)} faults, first seed {seeds[0]}")
    assert not faults, (len(faults), faults[:5])


@pytest.mark.gate
@pytest.mark.timeout(900)
@pytest.mark.parametrize("protocol", wire_mutation.PROTOCOLS)
def test_10000_answers_with_odd_heads_and_framing(
    protocol: str, tmp_path: Path, record_property: RecordProperty
) -> None:
    seeds = new_seeds()
    counts, faults = wire_mutation.find_faults(protocol, seeds, tmp_path)
    record_property(protocol, f"{counts}, {len(faults)} faults, first seed {seeds[0]}")
    assert not faults, (len(faults), faults[:5])


@pytest.mark.gate
@pytest.mark.timeout(900)
def test_10000_odd_receivers_of_webhooks(record_property: RecordProperty) -> None:
    seeds = new_seeds()
    faults = wire_mutation.find_receiver_faults(seeds)
    record_property("webhook", f"{len(faults)} faults, first seed {seeds[0]}")
    assert not faults, (len(faults), faults[:5])
