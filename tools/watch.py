"""What an operator watches, from deploy/watch.toml: the table in the documentation, Prometheus rules and a Grafana
dashboard. `python -m tools.watch` writes all three; `make format` runs it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

ROOT = Path(__file__).resolve().parent.parent
SOURCE, TABLE = ROOT / "deploy/watch.toml", ROOT / "docs/operations.md"
RULES, DASHBOARD = ROOT / "deploy/prometheus/rules.yaml", ROOT / "deploy/grafana/imagegate.json"

_BEGIN, _END = "<!-- made from deploy/watch.toml -->\n", "<!-- until here -->\n"
_PANELS_PER_LINE, _PANEL_WIDTH, _PANEL_HEIGHT = 3, 8, 8
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLORS = {"critical": "red", "warning": "orange"}


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A panel, and an alert where it has a threshold."""

    title: str
    metric: str
    expr: str
    unit: str
    legend: str
    do: str
    alert: str = ""
    op: Literal["", "<", ">"] = ""
    threshold: float | None = None
    hold: str = msgspec.field(default="0m", name="for")
    severity: Literal["", "warning", "critical"] = ""

    @property
    def condition(self) -> str:
        return f"{self.expr} {self.op} {self.threshold:.10g}"

    @property
    def summary(self) -> str:
        """Prometheus fills in the value."""
        word = "below" if self.op == "<" else "above"
        return f"{self.title}: {{{{ $value | humanize }}}}, {word} {self.threshold:.10g}"


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    row: list[Row]


class _Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    section: list[Section]


def load() -> list[Section]:
    return msgspec.convert(tomllib.loads(SOURCE.read_text("utf-8")), _Watch).section


def _text(value: str) -> str:
    """JSON strings are YAML strings."""
    return json.dumps(value, ensure_ascii=False)


def rules(sections: list[Section]) -> str:
    lines = ["# Made from deploy/watch.toml by `make format`.", "groups:"]
    for section in sections:
        lines += [f"  - name: {_text('imagegate: ' + section.title.lower())}", "    rules:"]
        for row in (row for row in section.row if row.alert):
            lines += [f"      - alert: {row.alert}", f"        expr: {_text(row.condition)}"]
            lines += [f"        for: {row.hold}", f"        labels: {{severity: {row.severity}}}"]
            lines += ["        annotations:", f"          summary: {_text(row.summary)}"]
            lines += [f"          description: {_text(row.do)}"]
    return "\n".join(lines) + "\n"


def dashboard(sections: list[Section]) -> str:
    panels: list[dict[str, Any]] = []
    y = 0
    for section in sections:
        panels.append(_panel(panels, "row", section.title, 0, y, 24, 1) | {"collapsed": False, "panels": []})
        y += 1
        for position, row in enumerate(section.row):
            line, column = divmod(position, _PANELS_PER_LINE)
            place = (column * _PANEL_WIDTH, y + line * _PANEL_HEIGHT, _PANEL_WIDTH, _PANEL_HEIGHT)
            panels.append(_panel(panels, "timeseries", row.title, *place) | _figures(row))
        y += -(-len(section.row) // _PANELS_PER_LINE) * _PANEL_HEIGHT
    variable = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    whole = {
        "uid": "imagegate",
        "title": "imagegate",
        "description": "Made from deploy/watch.toml by `make format`.",
        "tags": ["imagegate"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [variable]},
        "panels": panels,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _panel(panels: list[dict[str, Any]], kind: str, title: str, x: int, y: int, w: int, h: int) -> dict[str, Any]:
    return {"id": len(panels) + 1, "type": kind, "title": title, "gridPos": {"x": x, "y": y, "w": w, "h": h}}


def _figures(row: Row) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": row.unit, "custom": {"fillOpacity": 10, "showPoints": "never"}}
    if row.threshold is not None:
        bad, good = _COLORS[row.severity], "green"
        below, above = (bad, good) if row.op == "<" else (good, bad)
        steps = [{"color": below, "value": None}, {"color": above, "value": row.threshold}]
        defaults |= {"thresholds": {"mode": "absolute", "steps": steps}}
        defaults["custom"] |= {"thresholdsStyle": {"mode": "dashed"}}
    return {
        "description": row.do,
        "datasource": _DATASOURCE,
        "targets": [{"refId": "A", "datasource": _DATASOURCE, "expr": row.expr, "legendFormat": row.legend}],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    }


def table(sections: list[Section]) -> str:
    """With the text around it: the whole file of the documentation."""
    lines = []
    for section in sections:
        lines += [f"\n### {section.title}\n\n", "| What | Metric | Alert | For | Severity | What to do |\n"]
        lines.append("|---|---|---|---|---|---|\n")
        for row in section.row:
            code = _cell(f"`{row.condition if row.alert else row.expr}`")
            alert, hold, severity = (code, row.hold, row.severity) if row.alert else (f"none: {code}", "", "")
            lines.append(f"| {row.title} | `{row.metric}` | {alert} | {hold} | {severity} | {_cell(row.do)} |\n")
    return re.sub(
        f"{re.escape(_BEGIN)}.*{re.escape(_END)}",
        lambda _: _BEGIN + "".join(lines) + "\n" + _END,
        TABLE.read_text("utf-8"),
        flags=re.DOTALL,
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def render() -> dict[Path, str]:
    """Each file with what it is to contain."""
    sections = load()
    return {RULES: rules(sections), DASHBOARD: dashboard(sections), TABLE: table(sections)}


if __name__ == "__main__":
    for file, text in render().items():
        file.write_text(text, "utf-8")
