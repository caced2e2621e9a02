"""10,000 mutated answers per protocol; the seeds are new ones each time and named where something fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.upstreams.mutation import PROTOCOLS, find_faults

CASES = 10_000


@pytest.mark.gate
@pytest.mark.timeout(900)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_10000_mutated_answers(protocol: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    first = random.randrange(2**32)
    counts, faults = find_faults(protocol, range(first, first + CASES), tmp_path)
    record_property(protocol, f"{counts}, {len(faults)} faults, first seed {first}")
    assert not faults, (len(faults), faults[:5])
