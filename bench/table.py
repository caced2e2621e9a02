"""Rows of the one table: what was measured, the figure, its target and whether it is met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_WIDTHS = (78, 64, 20)


@dataclass(frozen=True)
class Row:
    what: str
    figure: str
    target: str = ""
    is_met: bool | None = None  # None: nothing is promised

    @property
    def verdict(self) -> str:
        return "" if self.is_met is None else "met" if self.is_met else "NOT MET"

    def line(self) -> str:
        """For a terminal."""
        cells = zip((self.what, self.figure, self.target), _WIDTHS, strict=True)
        return "".join(f"{text:<{width}} " for text, width in cells) + self.verdict


def limited(
    what: str, value: float, kind: Literal["at most", "at least"], limit: float, unit: str, note: str = ""
) -> Row:
    """A row whose target is one limit."""
    is_met = value <= limit if kind == "at most" else value >= limit
    return Row(what, f"{number(value)} {unit}{f' ({note})' if note else ''}", f"{kind} {limit:,g} {unit}", is_met)


def number(value: float) -> str:
    """Three significant digits, or whole."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown(rows: list[Row]) -> str:
    lines = ["| what | figure | target | |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {row.what} | {row.figure} | {row.target} | {row.verdict} |" for row in rows)])
