"""`make bench`: one table from one run, written to docs/performance.md.

Names of sections as arguments print these alone, and write nothing. `growth` has options of its own.
"""

from __future__ import annotations

import argparse
import functools
import string
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import ceilings, cluster, latency, limits, process, requests, scale, store, task_profile, tasks
from bench.growth import command as growth
from bench.growth import report
from bench.machine import describe_machine, describe_versions
from bench.peers import ROOT
from bench.table import Row, markdown

Section = Callable[[Path], Iterator[Row]]
SECTIONS: dict[str, Section] = {
    "tasks": tasks.measure,
    "latency": latency.measure,
    "requests": requests.measure,
    "store": store.measure,
    "scale": scale.measure,
    "cluster": cluster.measure,
    "process": process.measure,
    "ceilings": ceilings.measure,
    "limits": limits.measure,
    "profile": task_profile.measure,
}
TEMPLATE = ROOT / "bench" / "performance.md"
PAGE = ROOT / "docs" / "performance.md"


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["growth"]:
        growth.main(arguments[1:])
        return
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"sections, apart by commas or spaces: {', '.join(SECTIONS)}")
    parser.add_argument("--before", default="", help="the Python of an environment with another version of imagegate")
    parser.add_argument("--ours", action="store_true", help="whole tasks without the peers")
    options = parser.parse_args(arguments)
    names = [name for name in ",".join(options.rows).split(",") if name]
    if unknown := [name for name in names if name not in SECTIONS]:
        parser.error(f"no such rows: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    sections = SECTIONS | {
        "tasks": functools.partial(tasks.measure, before=options.before, with_peers=not options.ours)
    }
    with tempfile.TemporaryDirectory(prefix="imagegate-bench-", ignore_cleanup_errors=True) as folder:
        texts = {"machine": describe_machine(Path(folder)), "versions": describe_versions()}
        print(texts["machine"], texts["versions"], sep="\n", flush=True)
        rows = {name: _run(name, sections[name], Path(folder)) for name in names or sections}
    if not names and all(rows.values()):
        command = f"make bench{f' BEFORE={options.before}' if options.before else ''}"
        tables = {name: markdown(found) for name, found in rows.items()}
        grown = report.tables(report.load(report.RESULTS))
        page = string.Template(TEMPLATE.read_text()).substitute(texts, command=command, **tables, **grown)
        PAGE.write_text(page)
        print(f"\nwritten to {PAGE.relative_to(ROOT)}")
    failed = [name for name, found in rows.items() if not found]
    unmet = sum(row.is_met is False for found in rows.values() for row in found)
    if failed or unmet:
        sys.exit(f"{unmet} targets are not met{f'; without figures: {failed}' if failed else ''}")


def _run(name: str, section: Section, folder: Path) -> list[Row]:
    """The section's rows; none where it failed, and the others go on."""
    started, rows = time.monotonic(), []
    print(f"\n{name}", flush=True)
    try:
        for row in section(folder / name):
            print(row.line(), flush=True)
            rows.append(row)
    except Exception:  # noqa: BLE001  what is wrong with one section is shown, and the others are measured
        traceback.print_exc()
        return []
    print(f"({time.monotonic() - started:.0f} s)", flush=True)
    return rows


if __name__ == "__main__":
    main(sys.argv[1:])
