"""`python -m bench growth`: build a database, measure every operation on it, and what operations do to others."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.growth import report
from bench.growth.beside import beside
from bench.growth.build import build
from bench.growth.measure import crash, measure, migrate
from bench.growth.place import opened
from bench.peers import ROOT

SIZES = (10_000, 300_000, 3_000_000)
TEMPLATE, PAGE = ROOT / "bench" / "performance.md", ROOT / "docs" / "performance.md"
_ACTS = {
    "build": "make the database of --tasks in --folder",
    "migrate": "bring it to the schema of this program, with the time of it",
    "measure": "ask everything of it, create tasks and work on them",
    "beside": "measure a small account's requests beside costly ones of others, and purge",
    "crash": "kill the gateway, start it again, and check all invariants",
    "run": "all of these for each of --sizes in turn, and delete each database after it",
    "report": "print the tables of --results, write them to docs/performance.md, and say what is not flat",
}
Tell = Callable[[str], None]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="bench growth",
        description=__doc__,
        epilog="; ".join(f"{act}: {what}" for act, what in _ACTS.items()),
    )
    parser.add_argument("act", choices=_ACTS)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--tasks", type=int, default=SIZES[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--folder", type=Path, help="of the database, on a disk with 7 kB for each task")
    parser.add_argument("--before", help="the Python of an earlier program: its schema is built, and then migrated")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="the JSON file that takes the figures")
    options = parser.parse_args(arguments)
    started = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {text}", flush=True)

    if options.act == "report":
        _report(options.results, tell)
        return
    if options.folder is None:
        parser.error("--folder is needed")
    acts, sizes = ([options.act], [options.tasks]) if options.act != "run" else (list(_ACTS)[:5], options.sizes)
    for tasks in sizes:
        folder = options.folder / f"{options.engine}-{tasks}" if options.act == "run" else options.folder
        for act in acts:
            tell(f"{act} {options.engine} {tasks:,}")
            figures = _act(act, folder, options.engine, tasks, options.before, tell)
            _keep(options.results, f"{options.engine} {tasks}", figures)
        if options.act == "run":
            shutil.rmtree(folder)


def _act(act: str, folder: Path, engine: str, tasks: int, before: str | None, tell: Tell) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    with opened(folder, engine, before or sys.executable if act == "build" else sys.executable) as place:
        match act:
            case "build":
                return {"build s": build(place, tasks, tell)}
            case "migrate":
                return {"migrate s": migrate(place, tell)}
            case "measure":
                return measure(place, tell)
            case "crash":
                return crash(place, tell)
            case _:
                return {"beside": beside(place, tell)}


def _keep(path: Path, name: str, figures: dict[str, Any]) -> None:
    """Beside what earlier runs left there."""
    kept = report.load(path)
    kept[name] = kept.get(name, {}) | figures
    report.save(path, kept)


def _report(results: Path, tell: Tell) -> None:
    figures = report.load(results)
    print(report.once_table(figures), report.operations_table(figures, every=True), sep="\n\n")
    print(report.beside_table(figures))
    if results == report.RESULTS:
        PAGE.write_text(report.fill_section(PAGE.read_text(), TEMPLATE.read_text(), figures))
        tell(f"written to {PAGE.relative_to(ROOT)}")
    for line in report.not_flat(figures):
        tell(f"not flat: {line}")
