"""The file of an archived month proves itself: whatever is changed in it is found."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from imagegate.domain.ledger_files import Line, file_name
from imagegate.domain.months import Month
from imagegate.flows.ledger_files import FileFacts, LedgerFileError, LinesWriter, verify_file

FEBRUARY = Month(2028, 2)


def booking(number: int, kind: str = "charge") -> list[Line]:
    accounts = {"charge": ("acc_1", "sys:revenue"), "cost": ("sys:upstream", "sys:upstream_cost")}[kind]
    return [
        Line(
            id=f"led_{kind}_{number}_{account}",
            ref=f"settle:task-{number}" if kind == "charge" else f"cost:att_{number}",
            account=account,
            kind=kind,
            amount=amount,
            task_id=f"task-{number}",
            actor="settle",
            commit_id="cmt_1",
            created=FEBRUARY.start + number,
            model="gpt-image-2",
            key_id=None,
            price_version="한국어 1",
            images=1,
        )
        for account, amount in zip(accounts, (-number, number), strict=True)
    ]


LINES = [line for number in range(1, 4) for line in booking(number)] + booking(2, "cost")


def write(path: Path, lines: list[Line]) -> FileFacts:
    with path.open("wb") as stream:
        writer = LinesWriter(stream)
        writer.write(lines[:3])
        writer.write(lines[3:])
        return writer.end()


def test_a_file_says_when_read_what_it_said_when_written(tmp_path: Path) -> None:
    written = write(tmp_path / file_name(FEBRUARY), LINES)
    assert verify_file(tmp_path / "ledger-2028-02.jsonl.gz", FEBRUARY) == written
    assert (written.lines, written.sums["charge", "sys:revenue"]) == (8, 6)
    counted = LinesWriter(None)
    counted.write(LINES)
    assert counted.end() == written
    texts = gzip.decompress((tmp_path / file_name(FEBRUARY)).read_bytes()).decode().splitlines()
    assert [msgspec.json.decode(text, type=Line) for text in texts] == LINES


def change(number: int, **values: object) -> Callable[[list[Line]], list[Line]]:
    return lambda lines: [
        msgspec.structs.replace(line, **values) if at == number else line for at, line in enumerate(lines)
    ]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda lines: lines[1:], "no booking"),
        (lambda lines: lines[2:4] + lines[:2] + lines[4:], "not in its place"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "not in its place"),
        (lambda lines: lines[-2:] + lines[:-2], "not in its place"),
        (lambda lines: lines[:2] + lines, "no booking"),
        (change(0, amount=-2), "no booking"),
        (change(0, account="sys:revenue"), "no booking"),
        (change(0, kind="overrun"), "no booking"),
        (change(0, created=FEBRUARY.start + 2), "no booking"),
        (change(0, ref="settle:task-0"), "no booking"),
        (change(1, task_id=None), "no booking"),
        (lambda lines: [msgspec.structs.replace(one, created=FEBRUARY.end) for one in lines[:2]], "no booking"),
        (lambda lines: [msgspec.structs.replace(one, ref="mine") for one in lines[:2]], "no booking"),
        (lambda lines: [msgspec.structs.replace(one, ref=f"mine:{at // 2}") for at, one in enumerate(lines)], "no"),
    ],
)
def test_a_file_with_other_lines_is_refused(
    tmp_path: Path, damage: Callable[[list[Line]], list[Line]], says: str
) -> None:
    write(tmp_path / "file", damage(LINES))
    with pytest.raises(LedgerFileError, match=says):
        verify_file(tmp_path / "file", FEBRUARY)


def test_a_file_that_is_cut_or_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, LINES)
    whole = path.read_bytes()
    for place in (15, len(whole) // 2, len(whole) - 1):
        for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
            path.write_bytes(content)
            with pytest.raises(LedgerFileError, match="is damaged"):
                verify_file(path, FEBRUARY)
    path.write_bytes(b"")  # told by its SHA-256 and the number of lines on record
    assert verify_file(path, FEBRUARY).lines == 0
    text = gzip.decompress(whole).replace(b'"amount":-1', b'"amount": -1')
    path.write_bytes(gzip.compress(text))
    with pytest.raises(LedgerFileError, match="not written as the program writes it"):
        verify_file(path, FEBRUARY)
    with pytest.raises(LedgerFileError, match="cannot be read"):
        verify_file(tmp_path / "none", FEBRUARY)


@pytest.mark.parametrize("text", ["2026", "2026-3", "2026-13", "1969-12", "2026-03-01", "x"])
def test_only_a_month_is_a_month(text: str) -> None:
    assert Month.parse(text) is None


def test_months_follow_each_other() -> None:
    december = Month.parse("2027-12")
    assert december is not None
    assert (str(december.next), december.next.next.last_day - december.next.next.first_day) == ("2028-01", 28)
    assert Month.containing(december.end - 1) == december < Month.containing(december.end) == december.next
