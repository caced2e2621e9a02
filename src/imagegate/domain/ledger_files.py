"""What a file of archived ledger lines holds, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from imagegate.domain.accounts import SYS_COST, SYS_REVENUE, SYS_WASTE, EntryKind
from imagegate.domain.months import Month

# Lines are archived by whole refs, and each of these has exactly one line on the account that is named here.
COUNTER_ACCOUNTS = {
    EntryKind.charge.value: SYS_REVENUE,
    EntryKind.cost.value: SYS_COST,
    EntryKind.waste.value: SYS_WASTE,
}
_REF_PREFIXES = {EntryKind.charge.value: "settle:", EntryKind.cost.value: "cost:", EntryKind.waste.value: "waste:"}
_KIND_ORDER = {kind: position for position, kind in enumerate(COUNTER_ACCOUNTS)}
_OPENING = "archive"

# Nanos by kind and account.
Sums = Counter[tuple[str, str]]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the ledger with all its columns, in the order in which the file has them."""

    id: str
    ref: str
    account: str
    kind: str
    amount: int
    task_id: str | None
    actor: str
    commit_id: str
    created: int
    model: str | None
    key_id: str | None
    price_version: str | None
    images: int | None

    @property
    def place(self) -> tuple[int, int, str, str]:
        """Lines stand in the file in this order, so that the lines of a ref are neighbours."""
        return _KIND_ORDER.get(self.kind, -1), self.created, self.ref, self.account


def file_name(month: Month) -> str:
    return f"ledger-{month}.jsonl.gz"


def opening_ref(month: Month, kind: str, sha256: str) -> str:
    """The ref of the lines that stand for those of one kind in a file."""
    return f"{_OPENING}:{month}:{kind}:{sha256}"


def is_whole_ref(lines: Sequence[Line], month: Month) -> bool:
    """Whether these lines of one ref are a booking as the program makes it, all of it in this month.

    Whatever is otherwise stays where `check` can find it.
    """
    if len(lines) != 2 or lines[0].account == lines[1].account:
        return False
    kind = lines[0].kind
    return (
        kind in COUNTER_ACCOUNTS
        and lines[0].ref.startswith(_REF_PREFIXES[kind])
        and COUNTER_ACCOUNTS[kind] in (lines[0].account, lines[1].account)
        and lines[0].amount + lines[1].amount == 0
        and all((line.kind, line.ref) == (kind, lines[0].ref) for line in lines)
        and all(line.created == lines[0].created and month.start <= line.created < month.end for line in lines)
        and all(line.task_id is not None and line.task_id == lines[0].task_id for line in lines)
    )


def sum_lines(lines: Iterable[Line]) -> Sums:
    sums: Sums = Counter()
    for line in lines:
        sums[line.kind, line.account] += line.amount
    return sums
