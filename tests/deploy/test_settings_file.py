"""deploy/imagegate.toml: what it suggests is valid, as it stands and with its lines uncommented."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from imagegate.settings import load_settings
from tests.deploy.packages import DEPLOY
from tests.docs.spec import ROOT

FILE = DEPLOY / "imagegate.toml"


def test_settings_file_changes_nothing_as_it_stands() -> None:
    assert msgspec.structs.replace(load_settings(FILE, {}), file="") == load_settings(None, {})


def test_what_the_settings_file_suggests_is_valid(tmp_path: Path) -> None:
    text = re.sub(r"^# (?=\[\[|\w+ = )", "", FILE.read_text("utf-8"), flags=re.MULTILINE)
    (tmp_path / "all.toml").write_text(text)
    settings = load_settings(tmp_path / "all.toml", {})
    assert settings.server.public_url
    assert settings.server.trusted_proxies == ("127.0.0.1",)
    assert [one.upstream for one in settings.route] == [one.name for one in settings.upstream] == ["openai"]


def test_upstream_of_the_document_is_valid(tmp_path: Path) -> None:
    (block,) = re.findall(
        r"^```toml\n(.*?)^```$", (ROOT / "docs/deploy.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "shown.toml").write_text(block)
    assert load_settings(tmp_path / "shown.toml", {}).upstream[0].api_key_file.startswith("/run/credentials/")
