"""One browser for all tests of the page, a fresh visitor for each, and a gateway that buys from simulators."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.egress.raw_server import http_response, reply_with
from tests.support.gateway import Gateway
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator
from tests.support.webhook_receiver import Behaviour, Receiver, trust_environment, webhook_receiver
from tests.web.browser import Tabs, open_browser

# On a busy machine the default of 5 s is too short; what is expected usually takes milliseconds.
expect.set_options(timeout=30_000)
SCOPES = ("images:write", "tasks:read", "files:write", "billing:read", "admin")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for all page tests of a worker. It ends with the package: its driver keeps an event loop running in this
    thread, and tests elsewhere start their own."""
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="package")
def tabs(browser: Browser) -> Tabs:
    return Tabs(browser)


@pytest.fixture
def page(tabs: Tabs, gateway: Gateway) -> Iterator[Page]:
    """A fresh visitor of the playground on the demo account; whatever the browser complains about fails the test, but
    for refusals, which it prints too."""
    with tabs.open(gateway) as (one, complaints):
        one.goto(gateway.url)
        one.locator("[data-quote=expected]:not([data-credits=''])").wait_for()
        complaints.clear()
        yield one
        assert [line for line in complaints if "Failed to load resource" not in line] == []


class RoutedSite:
    """A gateway before two simulators, of which `cheap` does what it is told; with a customer and the operator."""

    def __init__(self, gateway: RoutedGateway, cheap: Simulator, receiver: Receiver) -> None:
        self.gateway, self.cheap, self.receiver = gateway, cheap, receiver
        self.customer = gateway.new_key("customer", "1000")
        self.operator = gateway.new_key("operator", "1000", *(word for one in SCOPES for word in ("--scope", one)))


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutedSite]:
    folder = tmp_path_factory.mktemp("front")
    hooks = webhook_receiver({"shop": Behaviour(reply_with(http_response(200, b"thank you")))})
    with Simulator() as cheap, Simulator() as dear, hooks as receiver:
        rows = [upstream_config("cheap", f"{cheap.url}/v1"), upstream_config("dear", f"{dear.url}/v1")]
        rows += [route_config("cheap", "0.001"), route_config("dear", "0.002")]
        with RoutedGateway(
            folder / "data", *rows, options=tuple(receiver.egress_options), env=trust_environment(folder)
        ) as gateway:
            yield RoutedSite(gateway, cheap, receiver)
