"""What to watch: rules, dashboard and table are made from one file; each name in it is in a scrape of the program."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tools.watch import DASHBOARD, RULES, Row, load, render

from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

ROWS = [row for section in load() for row in section.row]
ALERTS = [row for row in ROWS if row.alert]
# Prometheus adds these to whatever it scrapes, and knows by itself whether it could.
ADDED_LABELS, ADDED_METRICS = {"instance", "job"}, {"up": {"instance", "job"}}
UNITS = {"bool", "bytes", "currencyUSD", "ops", "percentunit", "reqps", "s", "short"}
WHOLE_INSTALLATION = "(whole installation: aggregate with max)"


class Scrape:
    """The values of each label by sample, and the help by family."""

    def __init__(self, text: str) -> None:
        self.labels: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.help: dict[str, str] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self.help[sample.name] = family.documentation
                self.labels[sample.name]  # also where it has none
                for name, value in sample.labels.items():
                    self.labels[sample.name][name].add(value)


@pytest.fixture(scope="module")
def scrape(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scrape]:
    """After a task that was made by the second route, one that was refused, and a backup."""
    folder = tmp_path_factory.mktemp("watched")
    with Simulator() as cheap, Simulator() as dear:
        rows = [
            upstream_config("cheap", f"{cheap.url}/v1"),
            upstream_config("dear", f"{dear.url}/v1"),
            route_config("cheap", "0.001"),
            route_config("dear", "0.002"),
        ]
        with RoutedGateway(folder / "data", *rows) as gateway:
            cheap.script("500-json", "moderation-refusal")
            assert [gateway.create()["status"] for _ in range(2)] == ["completed", "failed"]
            gateway.run("backup", "create", str(folder / "backup"))
            yield Scrape(httpx.get(f"{gateway.url}/metrics", timeout=60).text)


def _selectors(expression: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every selector of the expression, with what it stands in, outermost first."""
    match expression:
        case promql_parser.VectorSelector():
            yield expression, above
        case promql_parser.MatrixSelector():
            yield from _selectors(expression.vector_selector, (*above, expression))
        case promql_parser.AggregateExpr() | promql_parser.ParenExpr():
            yield from _selectors(expression.expr, (*above, expression))
        case promql_parser.BinaryExpr():
            for side in (expression.lhs, expression.rhs):
                yield from _selectors(side, (*above, expression))
        case promql_parser.Call():
            for argument in expression.args:
                yield from _selectors(argument, (*above, expression))
        case promql_parser.NumberLiteral():
            pass
        case _:
            raise AssertionError(f"{type(expression)} is not expected")


def _labels_used(selector: Any, above: tuple[Any, ...]) -> set[str]:
    used = {matcher.name for matcher in selector.matchers.matchers}
    for one in above:
        if isinstance(one, promql_parser.AggregateExpr) and one.modifier is not None:
            used |= set(one.modifier.labels)
    return used


def test_rules_dashboard_and_table_are_those_of_the_file() -> None:
    for file, text in render().items():
        assert file.read_text("utf-8") == text, f"{file.name}: run `make format`"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
def test_every_metric_and_label_of_an_expression_is_in_a_scrape(row: Row, scrape: Scrape) -> None:
    expression = promql_parser.parse(row.condition if row.alert else row.expr)
    found = list(_selectors(expression))
    assert re.sub("_(bucket|sum|count)$", "", found[0][0].name) == row.metric
    for selector, above in found:
        if selector.name in ADDED_METRICS:
            continue
        assert selector.name in scrape.labels, selector.name
        known = scrape.labels[selector.name]
        assert _labels_used(selector, above) - ADDED_LABELS <= set(known), selector
        for matcher in selector.matchers.matchers:
            values = (
                re.findall(r"[a-z_]+", matcher.value) if matcher.name in ("outcome", "state", "error", "reason") else []
            )
            assert set(values) <= known[matcher.name], f"{matcher.name} has no {values}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
def test_figures_of_the_whole_installation_are_never_added_up_over_processes(row: Row, scrape: Scrape) -> None:
    for selector, above in _selectors(promql_parser.parse(row.expr)):
        if (
            WHOLE_INSTALLATION in scrape.help.get(selector.name, WHOLE_INSTALLATION)
            and selector.name not in ADDED_METRICS
        ):
            innermost = [one for one in above if isinstance(one, promql_parser.AggregateExpr)][-1]
            assert str(innermost.op) == "max", selector
            assert "instance" not in (innermost.modifier.labels if innermost.modifier else [])


def test_every_metric_says_whose_it_is(scrape: Scrape) -> None:
    ours = {name: text for name, text in scrape.help.items() if name.startswith("imagegate_")}
    assert ours
    assert {name for name, text in ours.items() if not text.endswith((WHOLE_INSTALLATION, "(this process)"))} == set()


def test_every_alert_is_a_rule_with_all_that_prometheus_needs() -> None:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({group["name"] for group in groups}) == len(groups)
    assert [rule["alert"] for rule in rules] == [row.alert for row in ALERTS]
    assert len({row.alert for row in ALERTS}) == len(ALERTS)
    for rule, row in zip(rules, ALERTS, strict=True):
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert str(promql_parser.parse(rule["expr"])) == str(promql_parser.parse(row.condition))
        assert re.fullmatch("[0-9]+[smh]", rule["for"])
        assert rule["labels"] == {"severity": row.severity}
        assert rule["annotations"]["description"] == row.do
        assert rule["annotations"]["summary"].startswith(f"{row.title}: {{{{ $value")


def test_a_row_has_all_of_an_alert_or_nothing_of_it() -> None:
    for row in ROWS:
        assert len({bool(row.alert), bool(row.op), row.threshold is not None, bool(row.severity)}) == 1, row.title
        assert row.unit in UNITS, row.title
        assert row.do.endswith("."), row.title


def test_the_dashboard_asks_for_its_data_source_and_its_panels_do_not_overlap() -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    (variable,) = dashboard["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
    figures = [panel for panel in panels if panel["type"] != "row"]
    assert [panel["title"] for panel in figures] == [row.title for row in ROWS]
    for panel, row in zip(figures, ROWS, strict=True):
        (target,) = panel["targets"]
        assert panel["datasource"]["uid"] == target["datasource"]["uid"] == "${datasource}"
        assert target["expr"] == row.expr
        assert panel["fieldConfig"]["defaults"]["unit"] == row.unit
        used = set(re.findall(r"\{\{(\w+)\}\}", row.legend))
        for _, above in _selectors(promql_parser.parse(row.expr)):
            kept = next(one.modifier for one in above if isinstance(one, promql_parser.AggregateExpr))
            assert used <= set(kept.labels if kept else ()), row.title
