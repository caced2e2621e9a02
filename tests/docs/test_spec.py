"""Whatever cites an id of the specification cites one that docs/spec defines."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.docs.spec import ROOT, cited, cited_by_name, definitions, every_test, families

_CITING = (".py", ".md", ".sql", ".js", ".toml")
# These hold codes of their own that look like ids: rules of ruff, hashes.
_OTHERS = {"pyproject.toml", "uv.lock", "vendor.toml"}


def _texts() -> list[Path]:
    """Every file of the repository that may cite, but third-party code."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = [Path(line) for line in listed.splitlines()]
    return [ROOT / file for file in files if file.suffix in _CITING and file.name not in _OTHERS
            and "vendor" not in file.parts and (ROOT / file).exists()]  # fmt: skip


def test_every_family_of_ids_is_defined_where_the_readme_says() -> None:
    assert {name: definitions().get(name) for name in families()} == families()


def test_every_id_that_is_cited_is_defined() -> None:
    files = _texts()
    # This file cites ids that do not exist.
    texts = {file.relative_to(ROOT): file.read_text("utf-8") for file in files if file != Path(__file__).resolve()}
    citing = {str(file): names for file, text in texts.items() if (names := cited(text))}
    assert len(citing) > 50
    assert {file: missing for file, names in citing.items() if (missing := sorted(names - set(definitions())))} == {}


def test_every_test_that_is_named_for_an_id_is_named_for_one_that_exists() -> None:
    cites = [(file, name, cited_by_name(name)) for file, name in every_test()]
    assert sum(bool(known) for _, _, known in cites) > 300
    assert [(file, name) for file, name, known in cites if known and known not in definitions()] == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("TSK-9, F20: drained; P17 (I6.refunds).", {"TSK-9", "F20", "P17", "I6"}),
        ("TSK-99 and F77 are nowhere", {"TSK-99", "F77"}),
        ("Sections 5.2, 5.3 and 99.1; U2.5", {"5.2", "5.3", "99.1", "U2.5"}),
        ("[contract](../spec/contract.md) 10.1", {"10.1"}),
        ("UTF-8, SHA-256, BSD-3, caf%C3%A9, #F2, XF10, C99x", set()),
    ],
)
def test_what_counts_as_a_citation(text: str, names: set[str]) -> None:
    assert cited(text) == names


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("test_s5_2_wait_is_bounded", "s5_2_wait"),
        ("test_s3_4_estimated", "s3_4_estimated"),
        ("test_blob_s3_4_orphans", "S3-4"),
        ("test_tsk_9_drain", "TSK-9"),
        ("test_p8_one_task", "P8"),
        ("test_l07_runs", "l07"),
        ("test_d_keys_are_shown_once", "d_keys"),
        ("test_a_plain_name", ""),
        ("test_tsk_99_nowhere", "tsk_99 (not defined)"),
        ("test_c99_nowhere", "c99 (not defined)"),
        ("test_s5_2_made_up", "s5 (not defined)"),
    ],
)
def test_what_a_name_cites(name: str, found: str) -> None:
    assert cited_by_name(name) == found
