"""One simulator for a file of tests, emptied before each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.simulator import Simulator


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    simulator = Simulator()
    with simulator:
        yield simulator
    trouble = [line for line in simulator.output if "Traceback" in line or "Error" in line]
    assert not trouble, "\n".join(simulator.output)


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    running.reset()
    return running
