"""Checks the invariants: all of them in pieces, those of the newest rows, or those that cost little.

A piece is small whatever the size of the database: no statement is long, and no snapshot is held for long. Others may
write between two pieces: what a piece is asked about is true in each snapshot, wherever the piece ends.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

import msgspec

from imagegate.domain.accounts import SYS_BANK, SYS_REVENUE, SYS_UPSTREAM
from imagegate.store.check_parts import KeySums, Piece, check_prices, find_end
from imagegate.store.day_check import check_days
from imagegate.store.dialect import Row, indexed_by
from imagegate.store.rules import CHEAP_INVARIANTS, EVERYTHING, INVARIANTS, MONEY_INVARIANTS, Invariant, confine
from imagegate.store.transaction import Tx

MAX_ROWS_SHOWN = 20
# A piece that takes longer is followed by a smaller one, one that takes less than a quarter of it by a larger one.
_MAX_PIECE_S = 0.5
_MIN_SHARE = 1 / 256


class Violation(msgspec.Struct, frozen=True, rename={"description": "says"}):
    """An invariant that does not hold, with up to `MAX_ROWS_SHOWN` of the rows that break it."""

    id: str
    description: str
    rows: list[Row]


class Place(msgspec.Struct, frozen=True):
    """The next piece is the one behind this key in this part of the check. No part: the check has ended."""

    part: str
    after: str = ""


class _Table(msgspec.Struct, frozen=True):
    key: str
    rows: int  # of a piece


_TABLES = {
    "accounts": _Table("id", 500),
    "entries": _Table("ref", 10_000),
    "refunds": _Table("task_id", 5_000),
    "tasks": _Table("id", 2_000),
    "assets": _Table("id", 5_000),
    "deliveries": _Table("id", 2_000),
    "files": _Table("id", 5_000),
}
_ONE_PIECE = "unfinished"  # what is open does not grow with the years
# Parts that a function checks, with the invariant and the rows of a piece.
_OTHERS = {"holds": ("I2.key", 10_000), "prices": ("I16", 1_000), "days": ("I22", 10_000)}

# Of these parts, what a process may have been writing when it was killed is among these rows; of the others, all.
_NEWEST_ROWS = 20_000
_NEWEST_LINES = " UNION ALL ".join(
    f"""SELECT * FROM (SELECT ref, kind FROM entries WHERE account = '{account}'
    ORDER BY created DESC, id DESC LIMIT {_NEWEST_ROWS}) AS {account[4:]}"""
    for account in (SYS_BANK, SYS_REVENUE, SYS_UPSTREAM)  # every ref has a line of one of these
)
_NEWEST = {
    "tasks": f"""SELECT id FROM tasks WHERE state IN ('queued', 'running')
        UNION ALL SELECT * FROM (SELECT id FROM tasks {indexed_by("tasks_old")} WHERE state IN ('completed', 'failed')
        ORDER BY ended DESC LIMIT {_NEWEST_ROWS}) AS ended""",
    "entries": f"SELECT ref FROM ({_NEWEST_LINES}) AS line",
    "refunds": f"SELECT substr(ref, 8) FROM ({_NEWEST_LINES}) AS line WHERE kind = 'refund'",
}


class Check:
    """Call `check_piece` with one transaction after the other, until `is_done`.

    `share`: how much of the usual number of rows the next piece has; it follows from how long the last one took.
    `rows`: how many were looked at, by part.
    """

    def __init__(self, rules: Iterable[Invariant] = INVARIANTS, grace_us: int = 0, place: Place | None = None) -> None:
        """`grace_us` is how late a deadline or an expiry may be acted on. `place`: where an earlier check came to."""
        self._rules = tuple(rules)
        self._grace_us = grace_us
        asked = {part for rule in self._rules for part in rule.statements}
        asked |= {part for part, (invariant, _) in _OTHERS.items() if invariant in {rule.id for rule in self._rules}}
        self._parts = [part for part in (_ONE_PIECE, *_TABLES, *_OTHERS) if part in asked]
        self._keys = KeySums()
        self.place = place if place and place.part in self._parts else Place(self._parts[0])
        if self.place.part == "holds":
            self.place = Place("holds")  # the sums of earlier pieces are lost
        self.share = 1.0
        self._found: dict[str, list[Row]] = {}
        self.rows: Counter[str] = Counter()

    @property
    def is_done(self) -> bool:
        return not self.place.part

    @property
    def violations(self) -> list[Violation]:
        """Those found so far, in the order of the invariants."""
        return [
            Violation(rule.id, rule.description, self._found[rule.id]) for rule in self._rules if rule.id in self._found
        ]

    def check_piece(self, tx: Tx) -> None:
        began = time.monotonic()
        piece = self._read_piece(tx)
        for invariant, rows in piece.found:
            if rows:
                shown = self._found.setdefault(invariant, [])
                shown += rows[: MAX_ROWS_SHOWN - len(shown)]
        self.rows[self.place.part] += piece.rows
        self.place = self._next_place(piece)
        self._adapt(time.monotonic() - began)

    def _read_piece(self, tx: Tx) -> Piece:
        part, after = self.place.part, self.place.after
        if part == _ONE_PIECE:
            return Piece(self._ask(tx, part, EVERYTHING), 1, None)
        tx.join_by_keys()
        size = max(1, int(self.share * (_TABLES[part].rows if part in _TABLES else _OTHERS[part][1])))
        match part:
            case "holds":
                return self._keys.check_piece(tx, after, size)
            case "prices":
                return check_prices(tx)
            case "days":
                return check_days(tx, after, size)
            case _:
                return self._check_rows(tx, part, _TABLES[part].key, after, size)

    def _check_rows(self, tx: Tx, table: str, key: str, after: str, size: int) -> Piece:
        rows, last = find_end(tx, table, key, after, size)
        condition = "{} > :after" if last is None else "({} > :after AND {} <= :last)"
        return Piece(self._ask(tx, table, condition, after=after, last=last), rows, last)

    def _ask(self, tx: Tx, part: str, condition: str, **params: str | None) -> list[tuple[str, list[Row]]]:
        return ask(tx, self._rules, part, condition, grace=self._grace_us, **params)

    def _next_place(self, piece: Piece) -> Place:
        if piece.last is not None:
            return Place(self.place.part, piece.last)
        following = self._parts[self._parts.index(self.place.part) + 1 :]
        return Place(following[0] if following else "")

    def _adapt(self, took_s: float) -> None:
        if took_s > _MAX_PIECE_S:
            self.share = max(_MIN_SHARE, self.share / 2)
        elif took_s < _MAX_PIECE_S / 4:
            self.share = min(1.0, self.share * 2)


def find_violations(tx: Tx, grace_us: int) -> list[Violation]:
    """Check every invariant in one transaction: for a small database."""
    check = Check(INVARIANTS, grace_us)
    while not check.is_done:
        check.check_piece(tx)
    return check.violations


def find_cheap_violations(tx: Tx, grace_us: int) -> list[Violation]:
    """Check the invariants that cost little."""
    parts = {part for rule in CHEAP_INVARIANTS for part in rule.statements}
    return _violations(
        CHEAP_INVARIANTS, [ask(tx, CHEAP_INVARIANTS, part, EVERYTHING, grace=grace_us) for part in parts]
    )


def find_newest_violations(tx: Tx) -> list[Violation]:
    """Check the invariants about money of all accounts, and of the tasks and entries that were written last.

    None of them depends on how long no process was serving, and how long it takes not on how long the history is.
    """
    found = [ask(tx, MONEY_INVARIANTS, part, EVERYTHING) for part in (_ONE_PIECE, "accounts")]
    tx.join_by_keys()
    found += [ask(tx, MONEY_INVARIANTS, part, "{} IN (" + newest + ")") for part, newest in _NEWEST.items()]
    return _violations(MONEY_INVARIANTS, found)


def ask(
    tx: Tx, rules: Iterable[Invariant], part: str, condition: str, **params: str | int | None
) -> list[tuple[str, list[Row]]]:
    """What breaks each invariant that says something of this part, of the rows that meet the condition."""
    asked = [(rule.id, rule.statements[part]) for rule in rules if part in rule.statements]
    return [(invariant, tx.fetch_all(confine(sql, condition), params)) for invariant, sql in asked]


def _violations(rules: Iterable[Invariant], found: Iterable[list[tuple[str, list[Row]]]]) -> list[Violation]:
    rows: dict[str, list[Row]] = {}
    for invariant, some in (one for part in found for one in part):
        rows.setdefault(invariant, []).extend(some)
    return [Violation(rule.id, rule.description, rows[rule.id][:MAX_ROWS_SHOWN]) for rule in rules if rows.get(rule.id)]
