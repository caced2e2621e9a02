"""The ids that docs/spec defines, and the ids that a text or the name of a test cites."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "docs/spec"
_HEADING = re.compile(r"(#+) (?:([A-Z]?\d+(?:\.\d+)?)\.? )?(.*)")
_ROW = re.compile(r"\| \*\*([A-Z]+\d?-\d+|[A-Z]\d+|[a-z]+\d*(?:_\w+)*)\*\* \|")
_SECTIONS = re.compile(r"(?:\b[Ss]ections?|\[contract\]\([^)]*\)) (\d[\d.]*(?:(?:, | and | to )\d[\d.]*)*)")
_RULE = re.compile(r"[csl]\d+_|d_")


@functools.cache
def definitions(*, planned: bool = True) -> dict[str, str]:
    """Each id and the document that defines it; with `planned` false only what is built."""
    found: dict[str, str] = {}
    for document in sorted(SPEC.glob("*.md")):
        for name, is_planned in _defined(document.read_text("utf-8")):
            assert name not in found, f"{document.name} defines {name} a second time"
            if planned or not is_planned:
                found[name] = document.name
    return found


def _defined(text: str) -> Iterator[tuple[str, bool]]:
    """Ids in headings and first cells, and whether they stand below a heading that begins with Planned."""
    planned_at, fenced = 0, False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if fenced:
            continue
        if heading := _HEADING.fullmatch(line):
            level = len(heading[1])
            if not planned_at or level <= planned_at:
                planned_at = level if heading[3].startswith("Planned") else 0
            if heading[2]:
                yield heading[2], bool(planned_at)
        elif row := _ROW.match(line):
            yield row[1], bool(planned_at)


@functools.cache
def families() -> dict[str, str]:
    """The examples in the table of docs/spec/README.md, each with its document: their letters begin every id."""
    rows = re.findall(r"^\| \[([a-z-]+\.md)\].*\| (.*) \|$", (SPEC / "README.md").read_text("utf-8"), re.MULTILINE)
    return {example: document for document, cell in rows for example in re.findall("`([^`]+)`", cell)}


@functools.cache
def _citation() -> re.Pattern[str]:
    """`TSK-9`, `P17`, `U2.5`, in the families that the README names."""
    ruled = {name.rpartition("-")[0] for name in families() if "-" in name}
    lettered = {name[0] for name in families() if re.fullmatch(r"[A-Z]\d[\d.]*", name)}
    short = rf"[{''.join(sorted(lettered))}]\d{{1,2}}(?:\.\d)?"
    return re.compile(rf"(?<![\w.#&%\\/-])((?:{'|'.join(sorted(ruled))})-\d+|{short})(?![\w-])")


def cited(text: str) -> set[str]:
    """The ids that a text names."""
    sections = {number.rstrip(".") for found in _SECTIONS.findall(text) for number in re.findall(r"\d[\d.]*", found)}
    return sections | set(_citation().findall(text))


def cited_by_name(name: str) -> str:
    """The id with which the name of a test begins, as docs/spec writes it; empty where it begins with none."""
    words = name.removeprefix("test_").removeprefix("blob_") + "_"
    ids = _ids_by_prefix()
    # The blob store's ids look like sections of the contract: see docs/spec/README.md.
    fitting = [short for short, known in ids.items() if words.startswith(f"{short}_")
               and known.startswith("S3-") == name.startswith("test_blob_")]  # fmt: skip
    if fitting:
        return ids[max(fitting, key=len)]
    ruled = {example.rpartition("-")[0].lower() for example in families() if "-" in example} - {"s3"}
    unknown = _RULE.match(words) or re.match(rf"(?:{'|'.join(sorted(ruled))}|[pitf])_?\d+_", words)
    return unknown[0].strip("_") + " (not defined)" if unknown else ""


@functools.cache
def _ids_by_prefix() -> dict[str, str]:
    """Each id by the form that it has in the name of a test."""
    return {re.sub("[-.]", "_", known.lower()): known for known in definitions()}


@functools.cache
def every_test() -> list[tuple[str, str]]:
    """File and name of every test, found by reading, not by importing."""
    return [
        (str(file.relative_to(ROOT)), name)
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    ]
