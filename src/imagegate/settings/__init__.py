"""The settings: what there is (`groups`), what may stand there (`kinds`), and where it is read from (`reading`)."""

from __future__ import annotations

from imagegate.settings.groups import (
    ENV_PREFIX,
    GROUPS,
    LOG_LEVELS,
    MAX_UPLOAD_BYTES,
    RENAMED,
    STORAGE_LINKS,
    Credit,
    Limits,
    OpenAI,
    Server,
    Settings,
    SettingsError,
    Storage,
    Work,
)
from imagegate.settings.kinds import OBJECT_SCHEMES
from imagegate.settings.reading import examine_settings, load_settings, read_option

__all__ = [
    "ENV_PREFIX",
    "GROUPS",
    "LOG_LEVELS",
    "MAX_UPLOAD_BYTES",
    "OBJECT_SCHEMES",
    "RENAMED",
    "STORAGE_LINKS",
    "Credit",
    "Limits",
    "OpenAI",
    "Server",
    "Settings",
    "SettingsError",
    "Storage",
    "Work",
    "examine_settings",
    "load_settings",
    "read_option",
]
