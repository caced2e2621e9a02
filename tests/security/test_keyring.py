"""Where the secret comes from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagegate.security.keyring import (
    ENV_VARIABLE,
    NEXT_VARIABLE,
    SecretError,
    has_variable,
    open_keyring,
    open_next,
    open_other,
)

SECRET = "0123456789abcdef" * 4


def test_the_secret_may_stand_in_a_file_of_the_supervisor(tmp_path: Path) -> None:
    file = tmp_path / "credential"
    file.write_text(SECRET + "\n")
    file.chmod(0o444)  # as Compose and Kubernetes mount it: whose rights count is not known here
    env = {f"{ENV_VARIABLE}_FILE": str(file), f"{NEXT_VARIABLE}_FILE": str(file)}
    expected = open_keyring(tmp_path, {ENV_VARIABLE: SECRET}).check_value
    assert open_keyring(tmp_path, env).check_value == expected
    successor = open_other(NEXT_VARIABLE, env)
    assert successor is not None
    assert successor.check_value == expected
    assert not (tmp_path / "secret").exists()


def test_a_secret_in_a_file_of_the_supervisor_is_not_rotated_in_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.next").write_text(SECRET)
    (tmp_path / "secret.next").chmod(0o600)
    assert open_next(tmp_path, {}) is not None
    assert open_next(tmp_path, {f"{ENV_VARIABLE}_FILE": "anywhere"}) is None
    assert has_variable({f"{ENV_VARIABLE}_FILE": "anywhere"})
    assert not has_variable({f"{ENV_VARIABLE}_FILE": ""})


def test_a_short_secret_in_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "credential").write_text("short")
    with pytest.raises(SecretError, match=r"^IMAGEGATE_SECRET_FILE has 5 characters: must be at least 32"):
        open_keyring(tmp_path, {f"{ENV_VARIABLE}_FILE": os.fspath(tmp_path / "credential")})
