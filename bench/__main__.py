"""`make bench`: one table from one run. Names of sections as arguments run these alone, and write no document."""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import tasks
from bench.table import Row

SECTIONS: dict[str, Callable[[Path], Iterator[Row]]] = {"tasks": tasks.measure}


def main(arguments: list[str]) -> None:
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
        for name in names or sections:
            for row in sections[name](Path(folder) / name):
                print(row.line(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
