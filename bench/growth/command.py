"""`python -m bench growth`: build a database, measure every operation on it, and what operations do to others."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.growth.beside import beside
from bench.growth.build import build
from bench.growth.measure import measure, migrate
from bench.growth.place import opened


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench growth", description=__doc__)
    parser.add_argument("act", choices=("build", "measure", "beside", "migrate"))
    parser.add_argument("--engine", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, required=True, help="of the database; measure changes it")
    parser.add_argument("--python", default=sys.executable, help="that of the program, where it is another version")
    parser.add_argument("--results", type=Path, help="the JSON file that takes the figures")
    options = parser.parse_args(arguments)
    started = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {text}", flush=True)

    options.folder.mkdir(parents=True, exist_ok=True)
    with opened(options.folder, options.engine, options.python) as place:
        if options.act == "build":
            figures: dict[str, Any] = {"build s": build(place, options.tasks, tell)}
        elif options.act == "measure":
            figures = measure(place, tell)
        elif options.act == "beside":
            figures = {"beside": beside(place, tell)}
        else:
            figures = {"migrate s": migrate(place, tell)}
    if options.results:
        _keep(options.results, f"{options.engine} {options.tasks}", figures)


def _keep(path: Path, name: str, figures: dict[str, Any]) -> None:
    """Beside what earlier runs left there."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[name] = kept.get(name, {}) | figures
    path.write_text(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
