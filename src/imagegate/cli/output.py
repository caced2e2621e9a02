"""Where `generate` and `edit` save images: what is wrong with it is said before anything is bought."""

from __future__ import annotations

import os
from pathlib import Path

from imagegate.cli.exit_codes import USAGE, Exit

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def choose_format(output: Path | None, given: str | None) -> str | None:
    """That of `--format`, else that of the file's suffix; None leaves it to the gateway."""
    named = format_of(output)
    if given is not None and given in _FORMATS.values() and named not in (None, given):
        raise Exit(
            USAGE,
            f"imagegate: --format is {given}, but -o is {output}: must be a file that ends in {suffixes_of(given)}, or"
            " leave --format out; nothing was bought",
        )
    return given or named


def format_of(output: Path | None) -> str | None:
    """What the suffix stands for; None for one that stands for none, and for a folder."""
    return None if output is None or output.is_dir() else _FORMATS.get(output.suffix.lower())


def suffixes_of(name: str) -> str:
    return " or ".join(suffix for suffix, known in _FORMATS.items() if known == name)


def check_writable(output: Path | None) -> None:
    """A file, or a folder for files that are named after the task."""
    if output == Path("-"):
        raise Exit(USAGE, "imagegate: -o is '-': must be a file or a folder; nothing was bought")
    if output is not None and output.exists() and not output.is_file() and os.access(output, os.W_OK):
        return  # a pipe or a device is written as it is
    folder = _folder(output)
    if not folder.is_dir():
        raise Exit(USAGE, f"imagegate: -o is {output}: there is no folder {folder}; nothing was bought")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Exit(USAGE, f"imagegate: {folder} is not writable: name a file elsewhere with -o; nothing was bought")


def files_there(output: Path | None) -> set[Path]:
    """What may be overwritten. Empty where the folder cannot be read: nothing is said of it then."""
    try:
        return {file.absolute() for file in _folder(output).iterdir() if file.is_file()}
    except OSError:
        return set()


def describe_saved(file: Path, extension: str, replaced: set[Path]) -> str:
    size = f"{file.stat().st_size / 1024:,.0f} kB"
    kind = "" if _FORMATS.get(file.suffix.lower()) == _FORMATS.get(f".{extension}") else f", {extension}"
    return f"saved {file} ({size}{kind}){', over an older file' if file.absolute() in replaced else ''}"


def _folder(output: Path | None) -> Path:
    if output is None:
        return Path.cwd()
    return output if output.is_dir() else output.absolute().parent
