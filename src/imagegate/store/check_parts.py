"""The parts of a check that are more than statements: sums by key, prices, and the sums of closed days."""

from __future__ import annotations

import hashlib
from collections import Counter

import msgspec

from imagegate.store.dialect import Row
from imagegate.store.transaction import Tx

_KEYS_AT_A_TIME = 1_000


class Piece(msgspec.Struct, frozen=True):
    """Of each invariant the rows that break it; how many rows were looked at; the last key, None at the end."""

    found: list[tuple[str, list[Row]]]
    rows: int
    last: str | None


def find_end(tx: Tx, table: str, key: str, after: str, size: int) -> tuple[int, str | None]:
    """The number of rows of the piece behind this key, and its last key: None where it has no end, and is the last.

    All rows of the last key belong to it. Keys are compared by the database alone: its order of text is its own.
    """
    found = tx.fetch_all(
        f"""SELECT COUNT(*) AS number, MAX(piece.{key}) AS last FROM
            (SELECT {key} FROM {table} WHERE {key} > :after ORDER BY {key} LIMIT :size) AS piece""",
        {"after": after, "size": size},
    )[0]
    return found["number"], found["last"] if found["number"] == size else None


class KeySums:
    """I2.key: what a key spent is at least what its holds say, less refunds.

    Holds have no order by key, and are summed up over many snapshots. What changes meanwhile must not look wrong: a
    settlement that a piece has not seen only adds to what is spent, a purge only takes from the sum, and refunds that
    come meanwhile are given back.
    """

    def __init__(self) -> None:
        self._spent: Counter[str] = Counter()
        self._refunded: dict[str, int] = {}

    def check_piece(self, tx: Tx, after: str, size: int) -> Piece:
        if not after:
            self._spent, self._refunded = Counter(), _sum_refunds(tx)
        rows, last = find_end(tx, "holds", "task_id", after, size)
        end = "" if last is None else "AND h.task_id <= :last"
        for row in tx.fetch_all(
            f"""SELECT h.key_id, CAST(SUM(h.charge) - COALESCE(SUM(r.amount), 0) AS BIGINT) AS spent FROM holds h
            LEFT JOIN refunds r ON r.task_id = h.task_id WHERE h.task_id > :after {end} GROUP BY h.key_id""",
            {"after": after, "last": last},
        ):
            self._spent[row["key_id"]] += row["spent"]
        return Piece([("I2.key", self._find_wrong(tx) if last is None else [])], rows, last)

    def _find_wrong(self, tx: Tx) -> list[Row]:
        refunded, last_id = _sum_refunds(tx), ""
        wrong: list[Row] = []
        while keys := tx.fetch_all(
            "SELECT id, account_id, held, spent FROM api_keys WHERE id > :after ORDER BY id LIMIT :limit",
            {"after": last_id, "limit": _KEYS_AT_A_TIME},
        ):
            for key in keys:
                last_id, account_id = key["id"], key.pop("account_id")
                meanwhile = refunded.get(account_id, 0) - self._refunded.get(account_id, 0)
                if key["spent"] + meanwhile < self._spent[last_id]:
                    wrong.append(key)
        return wrong


def _sum_refunds(tx: Tx) -> dict[str, int]:
    """By account. Refunds are few."""
    rows = tx.fetch_all("SELECT account_id, CAST(SUM(amount) AS BIGINT) AS total FROM refunds GROUP BY account_id")
    return {row["account_id"]: row["total"] for row in rows}


def check_prices(tx: Tx) -> Piece:
    """I16. The two engines have no hash function in common."""
    rows = tx.fetch_all("SELECT version, hash, body FROM prices")
    edited = [row for row in rows if hashlib.sha256(row["body"].encode()).hexdigest() != row["hash"]]
    return Piece([("I16", edited)], len(rows), None)
