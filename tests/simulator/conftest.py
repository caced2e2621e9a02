"""One simulator for a file of tests, emptied before each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation import Simulator


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    running.forget()
    return running
