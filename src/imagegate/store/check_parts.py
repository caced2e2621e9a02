"""The parts of a check that are more than statements: sums by key, prices, and the sums of closed days."""

from __future__ import annotations

import hashlib
from collections import Counter

import msgspec

from imagegate.domain.time import US_PER_DAY
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


def check_days(tx: Tx, after: str, size: int) -> Piece:
    """I22, account by account, some days at a time. `after` is `day|account`: the last day that was checked.

    A day is checked that is over by the clock: where that was set back, more entries may come. Of a copy that nobody
    serves, whose time is 0, every day is.
    """
    closed = tx.fetch_one(
        "SELECT MAX(day) AS day FROM closed_days WHERE day < :today OR :now = 0", {"today": tx.now // US_PER_DAY}
    )
    day, _, account = after.partition("|")
    place = (account, int(day)) if after else _next_account(tx, "")
    last_day = closed["day"] if closed else None
    found: list[Row] = []
    rows = 0
    while last_day is not None and place and rows < size:
        account, first = place[0], place[1] + 1
        if first > last_day:
            place = _next_account(tx, account)
            continue
        until = _last_day_within(tx, account, first, last_day, size - rows)
        read, wrong = _compare_days(tx, account, first, until)
        rows += max(1, read)
        found += wrong
        place = (account, until)
    return Piece([("I22", found)], rows, f"{place[1]}|{place[0]}" if place and last_day is not None else None)


def _next_account(tx: Tx, account: str) -> tuple[str, int] | None:
    """The next one that has entries or sums, and no day of it."""
    parts = " UNION ALL ".join(
        f"SELECT MIN(account) AS account FROM {table} WHERE account > :account"
        for table in ("entries", "daily_sums", "daily_balances")
    )
    found = tx.fetch_all(f"SELECT MIN(account) AS account FROM ({parts}) AS one", {"account": account})[0]["account"]
    return None if found is None else (found, -1)


def _last_day_within(tx: Tx, account: str, first: int, last: int, rows: int) -> int:
    """The last day up to which the account has that many entries; one day at least."""
    beyond = tx.fetch_one(
        """SELECT created FROM entries WHERE account = :account AND created >= :start ORDER BY created
        LIMIT 1 OFFSET :rows""",
        {"account": account, "start": first * US_PER_DAY, "rows": rows},
    )
    return last if beyond is None else min(last, max(first, beyond["created"] // US_PER_DAY - 1))


def _compare_days(tx: Tx, account: str, first: int, last: int) -> tuple[int, list[Row]]:
    """The number of entries that were read, and what differs: sums first, then balances."""
    params: dict[str, str | int] = {
        "account": account,
        "first": first,
        "last": last,
        "start": first * US_PER_DAY,
        "end": (last + 1) * US_PER_DAY,
    }
    # The operator's sums are by route instead of by key, which the entries do not say.
    key = "''" if account.startswith("sys:") else "COALESCE(key_id, '')"
    wrong = tx.fetch_all(
        f"""SELECT :account AS account, day, kind, model, key_id, CAST(SUM(amount) AS BIGINT) AS amount_too_much,
            SUM(lines) AS lines_too_many, SUM(images) AS images_too_many
        FROM (SELECT day, kind, model, key_id, amount, lines, images FROM daily_sums
                WHERE account = :account AND day >= :first AND day <= :last
            UNION ALL SELECT created / {US_PER_DAY}, kind, COALESCE(model, ''), {key}, -amount, -1, -COALESCE(images, 0)
                FROM entries WHERE account = :account AND created >= :start AND created < :end) AS line
        GROUP BY day, kind, model, key_id HAVING SUM(amount) <> 0 OR SUM(lines) <> 0 OR SUM(images) <> 0
        ORDER BY day, kind, model, key_id""",
        params,
    )
    made = tx.fetch_all(
        f"""SELECT created / {US_PER_DAY} AS day, CAST(SUM(amount) AS BIGINT) AS balance,
            CAST(SUM(CASE WHEN kind IN ('charge', 'refund') THEN -amount ELSE 0 END) AS BIGINT) AS used,
            COUNT(*) AS lines
        FROM entries WHERE account = :account AND created >= :start AND created < :end
        GROUP BY created / {US_PER_DAY}""",
        params,
    )
    return sum(row["lines"] for row in made), wrong + _compare_balances(tx, params, made)


_NONE_YET = {"balance": 0, "used": 0, "lines": 0}


def _compare_balances(tx: Tx, params: dict[str, str | int], made: list[Row]) -> list[Row]:
    """`made`: what the entries of each day add to the balance before it."""
    columns = "day, balance, used, lines FROM daily_balances WHERE account = :account"
    before = tx.fetch_one(f"SELECT {columns} AND day < :first ORDER BY day DESC LIMIT 1", params) or _NONE_YET
    stored = tx.fetch_all(f"SELECT {columns} AND day >= :first AND day <= :last", params)
    balances, added = {row["day"]: row for row in stored}, {row["day"]: row for row in made}
    wrong = []
    for day in sorted(balances.keys() | added.keys()):
        expected = {name: before[name] + added.get(day, _NONE_YET)[name] for name in _NONE_YET}
        found = balances.get(day)
        if found is None or day not in added or {**expected, "day": day} != found:
            expected_names = {f"expected_{name}": value for name, value in expected.items()}
            wrong.append({"account": params["account"], "day": day, **(found or {}), **expected_names})
        before = found or expected  # what follows from a wrong one is not wrong too
    return wrong
