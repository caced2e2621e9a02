"""The gateway of the recipes: the real program, in front of a simulated vendor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.recipes.tls_front import TlsFront, tls_front
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator
from tests.support.webhook_receiver import trust_environment


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with Simulator("--quiet") as simulator:
        yield simulator


@pytest.fixture(scope="session")
def front() -> Iterator[TlsFront]:
    with tls_front() as front:
        yield front


@pytest.fixture(scope="session")
def gateway(simulator: Simulator, front: TlsFront, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutedGateway]:
    rows = [upstream_config("vendor", f"{simulator.url}/v1"), route_config("vendor")]
    folder = tmp_path_factory.mktemp("recipes")
    env = {"IMAGEGATE_OPENAI_MODELS": "dall-e-3=gpt-image-2", **trust_environment(folder)}
    options = ("--egress-allow", f"127.0.0.1/32:{front.port}")
    with RoutedGateway(folder / "data", *rows, options=options, env=env) as gateway:
        yield gateway


@contextmanager
def purchases(simulator: Simulator, count: int) -> Iterator[None]:
    """So many images are bought meanwhile, each once."""
    simulator.reset()
    yield
    assert len(simulator.calls()) == count
