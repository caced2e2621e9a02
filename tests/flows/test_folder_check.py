"""Folders that are not those of the database: another process would not find what is stored there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from imagegate.blobs import open_blobs
from imagegate.blobs.base import MARKER
from imagegate.flows.folder_check import verify_folders
from imagegate.settings import Settings, SettingsError, load_settings
from imagegate.store.database import Database
from tests.conftest import OpenDatabase


def installation(data: Path, **storage: str) -> Settings:
    settings = load_settings(
        env={f"IMAGEGATE_{name.upper()}": value for name, value in {"data": str(data), **storage}.items()}
    )
    for folder in (blob_dir(settings), settings.spool_dir):
        folder.mkdir(parents=True, exist_ok=True)
    return settings


def blob_dir(settings: Settings) -> Path:
    assert settings.blob_dir is not None
    return settings.blob_dir


def verify(db: Database, settings: Settings, *, adopt: bool = True) -> str:
    async def work() -> str:
        return await verify_folders(db, settings, open_blobs(settings), adopt=adopt)

    return asyncio.run(work())


def test_folders_are_those_beside_the_data_unless_they_are_named(tmp_path: Path) -> None:
    settings = installation(tmp_path / "data", blobs=str(tmp_path / "elsewhere"))
    assert (settings.blob_dir, settings.spool_dir) == (tmp_path / "elsewhere", tmp_path / "data" / "spool")


def test_the_folders_of_the_first_start_are_those_of_the_database(open_database: OpenDatabase, tmp_path: Path) -> None:
    db, settings = open_database(), installation(tmp_path)
    verify(db, settings, adopt=False)
    assert not (blob_dir(settings) / MARKER).exists(), "a check changes nothing"
    verify(db, settings)
    verify(db, settings)
    verify(db, settings, adopt=False)


def test_processes_that_share_a_folder_agree(open_database: OpenDatabase, tmp_path: Path) -> None:
    shared = {"blobs": str(tmp_path / "blobs"), "spool": str(tmp_path / "spool")}
    for name in ("one", "other"):
        verify(open_database(), installation(tmp_path / name, **shared))


@pytest.mark.parametrize("adopt", [True, False])
def test_a_folder_of_its_own_is_refused_with_the_way_out(
    open_database: OpenDatabase, tmp_path: Path, adopt: bool
) -> None:
    db = open_database()
    verify(db, installation(tmp_path / "one"))
    other = installation(tmp_path / "other")
    with pytest.raises(SettingsError, match=r"other/blobs is not the `storage` of this database.*is missing") as no:
        verify(db, other, adopt=adopt)
    assert "\n" not in str(no.value)
    written, _, marker = str(no.value).rpartition("write ")[2].partition(" into ")
    Path(marker).write_text(written)
    verify(db, other)


def test_the_folder_of_another_database_is_refused(open_database: OpenDatabase, tmp_path: Path) -> None:
    db, settings = open_database(), installation(tmp_path)
    verify(db, settings)
    (blob_dir(settings) / MARKER).write_text("fld_0000000000000000\n")
    with pytest.raises(SettingsError, match="says 'fld_0000000000000000', not fld_"):
        verify(db, settings)


def test_each_disk_has_a_spool_of_its_own_and_processes_that_share_one_know_it(
    open_database: OpenDatabase, tmp_path: Path
) -> None:
    db, blobs = open_database(), str(tmp_path / "blobs")
    one, other = (installation(tmp_path / name, blobs=blobs) for name in ("one", "other"))
    beside = installation(tmp_path / "beside", blobs=blobs, spool=str(one.spool_dir))
    ids = [verify(db, settings) for settings in (one, other, beside, one)]
    assert len({*ids}) == 2
    assert ids[0] == ids[2] == ids[3] == (one.spool_dir / MARKER).read_text().strip()
    assert verify(db, other, adopt=False) == ids[1]


def test_a_spool_that_was_lost_is_another_one(open_database: OpenDatabase, tmp_path: Path) -> None:
    db, settings = open_database(), installation(tmp_path)
    first = verify(db, settings)
    (settings.spool_dir / MARKER).unlink()
    assert verify(db, settings, adopt=False) == ""
    assert verify(db, settings) not in ("", first)


def test_the_spool_of_another_database_is_taken_only_when_it_is_empty(
    open_database: OpenDatabase, tmp_path: Path
) -> None:
    db, settings = open_database(), installation(tmp_path)
    (settings.spool_dir / MARKER).write_text("fld_0123456789abcdef\n")
    result = settings.spool_dir / "att_1.image-0.png"
    result.write_bytes(b"bought by another")
    for adopt in (False, True):
        with pytest.raises(SettingsError, match="is the spool of another database, and not empty") as refused:
            verify(db, settings, adopt=adopt)
        assert "\n" not in str(refused.value)
    result.rename(tmp_path / "elsewhere")
    assert verify(db, settings) == "fld_0123456789abcdef"
    (tmp_path / "elsewhere").rename(result)
    assert verify(db, settings) == "fld_0123456789abcdef", "known from now on"


@pytest.mark.parametrize("folder", ["blobs", "spool"])
@pytest.mark.parametrize("odd", ["", "fld_x\nfld_y", "\0\xff"])
def test_whatever_the_marker_says_is_told_in_one_line(
    open_database: OpenDatabase, tmp_path: Path, odd: str, folder: str
) -> None:
    db, settings = open_database(), installation(tmp_path)
    verify(db, settings)
    (tmp_path / folder / MARKER).write_text(odd, "latin-1")
    with pytest.raises(SettingsError) as refused:
        verify(db, settings)
    assert str(refused.value).isprintable()


def test_images_of_another_database_are_not_taken_for_nobodys(open_database: OpenDatabase, tmp_path: Path) -> None:
    settings = installation(tmp_path)
    image = blob_dir(settings) / "t" / "acc_1" / "2026" / "01" / "01" / "ast_1.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"an image")
    with pytest.raises(SettingsError, match="holds images, and the database is new"):
        verify(open_database(), settings)
    image.unlink()
    verify(open_database(), settings)
