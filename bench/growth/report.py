"""The tables of what was measured, from the JSON file of the figures."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")
HEADING = "## Growth"
ENGINES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}

Figures = dict[str, Any]

# Rows of the first table: name in the JSON, and the unit.
_ONCE = {
    "start s": "s",
    "start after a kill s": "s",
    "migrate s": "s",
    "days closed s": "s",
    "words indexed s": "s",
    "tasks indexed per minute": "/min",
    "check s": "s",
    "claim and settle per s": "/s",
    "memory after start MB": "MB",
    "memory after reads MB": "MB",
}
_ONCE_NAMES = {
    "start s": "start after a clean stop",
    "start after a kill s": "start after a kill",
    "migrate s": "`imagegate migrate` from 0.6.0",
    "days closed s": "in the background after that, ninety days closed",
    "words indexed s": "and the words of all prompts indexed",
    "tasks indexed per minute": "tasks whose words are indexed",
    "check s": "`imagegate check`",
    "claim and settle per s": "claim and settle, an upstream that answers at once",
    "memory after start MB": "memory after the start",
    "memory after reads MB": "memory after all reads below",
}


def load(path: Path) -> Figures:
    found: Figures = json.loads(path.read_text()) if path.exists() else {}
    return found


def save(path: Path, figures: Figures) -> None:
    """With a line for each operation."""
    path.write_text(_lines(figures, 3) + "\n")


def _lines(value: Any, depth: int) -> str:
    if not depth or not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    inner = ",\n".join(f"{json.dumps(name)}: {_lines(one, depth - 1)}" for name, one in value.items())
    return f"{{\n{inner}\n}}"


def tables(figures: Figures) -> dict[str, str]:
    """By the placeholder of the page that they fill."""
    return {
        "growth_once": once_table(figures),
        "growth_operations": operations_table(figures),
        "growth_beside": beside_table(figures),
    }


def _columns(figures: Figures) -> list[tuple[str, int]]:
    """Engine and tasks, in order."""
    found = (name.split() for name in figures)
    order = list(ENGINES)
    return sorted(((engine, int(tasks)) for engine, tasks in found), key=lambda one: (order.index(one[0]), one[1]))


def _short(tasks: int) -> str:
    return f"{tasks // 1_000_000}M" if tasks >= 1_000_000 else f"{tasks // 1000}k"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def once_table(figures: Figures) -> str:
    columns = _columns(figures)
    heads = ["", *(f"{ENGINES[engine]} {_short(tasks)}" for engine, tasks in columns)]
    rows = []
    for name, unit in _ONCE.items():
        values = [figures[f"{engine} {tasks}"].get(name) for engine, tasks in columns]
        rows.append([_ONCE_NAMES[name], *("" if one is None else f"{_number(one)} {unit}" for one in values)])
    sizes = [figures[f"{engine} {tasks}"]["sizes"]["whole"] for engine, tasks in columns]
    rows.append(["database", *(f"{size / 1e9:.2f} GB" for size in sizes)])
    each = [size / tasks for size, (_, tasks) in zip(sizes, columns, strict=True)]
    rows.append(["of it for each task", *(f"{size / 1000:.1f} kB" for size in each)])
    return _table(heads, rows)


def operations_table(figures: Figures, *, every: bool = False) -> str:
    """Median and 99th percentile in ms. Without `every`: of the big account, the way that a client reads lists."""
    columns = _columns(figures)
    names = list(dict.fromkeys(name for one in figures.values() for name in one["operations"]))
    heads = ["ms, median / p99"]
    for engine, title in ENGINES.items():
        sizes = [tasks for other, tasks in columns if other == engine]
        heads += [f"{title} {_short(tasks)}" for tasks in sizes]
        if len(sizes) > 1:
            heads.append(f"{_short(sizes[-1])} / {_short(sizes[0])}")
    rows = []
    for name in names if every else filter(_is_shown, names):
        row = [f"{name}"]
        for engine in ENGINES:
            found = [figures[f"{other} {tasks}"]["operations"].get(name) for other, tasks in columns if other == engine]
            row += [_cell(one) for one in found]
            if len(found) > 1:
                row.append(_ratio(found[0], found[-1]))
        rows.append(row)
    return _table(heads, rows)


def _is_shown(name: str) -> bool:
    return not name.endswith(" small") and not (name.startswith("admin tasks ") and "none" not in name)


def _cell(figure: Figures | None) -> str:
    if figure is None:
        return ""
    bad = [code for code in figure.get("statuses", {}) if code >= "400"]
    pages = f", {figure['pages']} pages" if figure.get("pages", 1) > 1 else ""
    return f"{_number(figure['p50'])} / {_number(figure['p99'])}{pages}{' (' + ', '.join(bad) + ')' if bad else ''}"


def _ratio(first: Figures | None, last: Figures | None) -> str:
    return f"{last['p50'] / first['p50']:.1f}" if first and last else ""


def beside_table(figures: Figures) -> str:
    """Of each engine at its largest size that was measured so."""
    rows = []
    for engine, tasks in _columns(figures):
        scenarios = figures[f"{engine} {tasks}"].get("beside", {})
        for name, found in scenarios.items():
            cells = [_beside_cell(found[probe]) for probe in ("healthz", "GET task", "create")]
            purged = f" ({found['purged']:,} purged)" if found["purged"] else ""
            rows.append([f"{ENGINES[engine]} {_short(tasks)}", f"{name}{purged}", *cells])
    return _table(["", "beside it", "healthz", "GET task", "create"], rows)


def _beside_cell(figure: Figures) -> str:
    return " / ".join(_number(figure[name]) for name in ("p50", "p99", "max"))


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def not_flat(figures: Figures, ratio: float = 2.0, at_least_ms: float = 3.0) -> list[str]:
    """Operations that take `ratio` times as long with the most tasks as with the fewest, and long enough to matter."""
    found = []
    for engine in ENGINES:
        sizes = [tasks for other, tasks in _columns(figures) if other == engine]
        if len(sizes) < 2:
            continue
        first, last = (figures[f"{engine} {tasks}"]["operations"] for tasks in (sizes[0], sizes[-1]))
        for name, figure in last.items():
            before = first.get(name, {}).get("p50", figure["p50"])
            if figure["p50"] > max(at_least_ms, ratio * before):
                found.append(f"{engine} {name}: {_number(before)} -> {_number(figure['p50'])} ms")
    return found


def fill_section(page: str, template: str, figures: Figures) -> str:
    """The page with its section of growth written anew, and all others as they are."""
    section = string.Template(_section(template)).substitute(tables(figures))
    return page.replace(_section(page), section) if HEADING in page else f"{page.rstrip()}\n\n{section}"


def _section(text: str) -> str:
    begin = text.index(f"{HEADING}\n")
    end = text.find("\n## ", begin)
    return text[begin : end if end >= 0 else len(text)]
