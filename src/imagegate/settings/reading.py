"""Reads the settings. The first source that has a value wins: command line, `IMAGEGATE_<NAME>`, the file that
`IMAGEGATE_<NAME>_FILE` names, TOML file, default. All faults are found at once, each with its source.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_origin

import msgspec

from imagegate.catalog.routes import RouteConfig, UpstreamConfig
from imagegate.catalog.schema import Alias
from imagegate.domain.bounds import (
    ConfigurationError,
    OutOfBounds,
    Problems,
    hints_of,
    read_table,
    read_value,
    show,
)
from imagegate.domain.money import MAX_NANOS, NANOS_PER_USD
from imagegate.domain.texts import suggest
from imagegate.security.variables import read_variable
from imagegate.settings.groups import ENV_PREFIX, GROUPS, RENAMED, Settings, SettingsError

T = TypeVar("T", bound=msgspec.Struct)

_GROUP_OF = {field: group for group, kind in GROUPS.items() for field in kind.__struct_fields__}
_TABLES: dict[str, type[msgspec.Struct]] = {"alias": Alias, "upstream": UpstreamConfig, "route": RouteConfig}
# What else is read from the environment: by us, by the client, by programs of the documents, by our tests.
_SECRETS = ("SECRET", "SECRET_PREVIOUS", "SECRET_NEXT")
_OTHER_VARIABLES = ("CONFIG", "URL", "API_KEY", "KEY", "WEBHOOK_SECRET", "DOMAIN", "UNIT", "CRASH", "IN_NAMESPACE")
_OTHER_PREFIXES = ("IMAGEGATE_TEST_", "IMAGEGATE_CONTRACT_")
# What Kubernetes puts into every container for a Service whose name begins with imagegate.
_SERVICE_LINK_RE = re.compile(
    r"\w+(?:_SERVICE_HOST|_SERVICE_PORT(?:_\w+)?|_PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_SERVICE_URL_RE = re.compile(r"(?:tcp|udp|sctp)://")


class _Given(NamedTuple):
    """A value and the name of its source, for messages."""

    label: str
    value: Any


def load_settings(
    file: Path | None = None, env: Mapping[str, str] = os.environ, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read all sources. `overrides` holds command-line values by field name. SettingsError says what is wrong."""
    settings, problems = examine_settings(file, env, overrides)
    if problems:
        raise SettingsError(*problems)
    return settings


def examine_settings(
    file: Path | None = None, env: Mapping[str, str] = os.environ, overrides: Mapping[str, Any] | None = None
) -> tuple[Settings, list[str]]:
    """All that is usable, with defaults in place of the rest, and what is wrong with that."""
    problems, name = Problems(), "" if file is None else str(file)
    tree: dict[str, Any] = {}
    with problems.collect():
        tree = _read_file(file)
    links = _service_links(env)
    warnings = _describe_links(links)
    env = {variable: value for variable, value in env.items() if variable not in links}
    problems.found += _unknown_variables(env)
    problems.found += _unknown_names(tree, name)
    old_names = _rename_fields(tree) | {old for old in RENAMED if _variable(old) in env}
    options = {field: value for field, value in (overrides or {}).items() if value is not None}
    groups: dict[str, Any] = {}
    for group, kind in GROUPS.items():
        values: dict[str, Any] = {}
        for field, hint in hints_of(kind).items():
            with problems.collect():
                given = _given(field, options, env)
                if given is not None:
                    values[field] = _read(given, hint)
                elif (given := _from_file(field, tree.get(group), f"{name}: [{group}]")) is not None:
                    values[field] = _read(given, hint)
                    if field == "price_files":
                        values[field] = tuple(_beside(name, path, warnings) for path in values[field])
        groups[group] = kind(**values)
    tables: dict[str, Any] = {key: _read_tables(problems, key, tree.get(key, []), name) for key in _TABLES}
    tables["upstream"] = tuple(_with_key_file(row, name, warnings) for row in tables["upstream"])
    settings = Settings(
        **groups, **tables, old_names=tuple(sorted(old_names)), file=name, warnings=tuple(dict.fromkeys(warnings))
    )
    problems.found += _contradictions(settings)
    return settings, sorted(problems.found, key=lambda text: not text.startswith("--"))  # what was typed comes first


def read_option(field: str, value: Any) -> Any:
    """A command-line value that is within the bounds of a setting, and does not become one. SettingsError."""
    try:
        return _read(_Given(_option(field), value), hints_of(GROUPS[_GROUP_OF[field]])[field])
    except ConfigurationError as error:
        raise SettingsError(*error.problems) from None


def _option(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def _variable(field: str) -> str:
    return ENV_PREFIX + field.upper()


def _given(field: str, options: Mapping[str, Any], env: Mapping[str, str]) -> _Given | None:
    """From the command line, the field's variable, or that of its old name."""
    if field in options:
        return _Given(_option(field), options[field])
    for name in (field, *(old for old, new in RENAMED.items() if new == field)):
        variable = _variable(name)
        try:
            value = read_variable(variable, env)
        except OSError as error:
            raise ConfigurationError(f"{error.strerror}: {error.filename}") from None
        if value is not None:
            return _Given(variable if variable in env else f"{env[f'{variable}_FILE']} ({variable}_FILE)", value)
    return None


def _from_file(field: str, table: Any, label: str) -> _Given | None:
    return _Given(f"{label} {field}", table[field]) if isinstance(table, dict) and field in table else None


def _read(given: _Given, hint: Any) -> Any:
    value = given.value
    if isinstance(value, str) and get_origin(getattr(hint, "__origin__", None)) is tuple:
        value = [part.strip() for part in value.split(",") if part.strip()]  # so are lists written in the environment
    try:
        return read_value(value, hint)
    except OutOfBounds as error:
        raise ConfigurationError(f"{given.label} {error}") from None


def _read_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))  # some editors begin a file with a mark
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}") from error


def _rename_fields(tree: dict[str, Any]) -> set[str]:
    """Old names in the file's groups become new ones; a field that has both keeps the new one. Returns the old ones."""
    found = set()
    for group in (tree[name] for name in GROUPS.keys() & tree.keys() if isinstance(tree[name], dict)):
        for old in RENAMED.keys() & group.keys():
            value = group.pop(old)
            group.setdefault(RENAMED[old], value)
            found.add(old)
    return found


def _unknown_names(tree: Mapping[str, Any], file: str) -> Iterator[str]:
    for name, content in tree.items():
        if name in GROUPS and not isinstance(content, dict):
            yield f"{file}: {name} is {show(content)}: must be a group, [{name}]"
        elif name in GROUPS:
            for field in content:
                if field not in GROUPS[name].__struct_fields__ and _GROUP_OF.get(RENAMED.get(field, "")) != name:
                    yield f"{file}: [{name}] has no setting {field!r}{_place_of(field)}"
        elif name not in _TABLES:
            what = f"no group [{name}]" if isinstance(content, dict) else f"no setting {name!r} outside of a group"
            yield f"{file}: there is {what}{_place_of(name, (*GROUPS, *_TABLES))}"


def _place_of(name: str, others: Iterable[str] = ()) -> str:
    if name in _GROUP_OF:
        return f"; it belongs in [{_GROUP_OF[name]}]"
    return suggest(name, (*others, *_GROUP_OF))


def _unknown_variables(env: Mapping[str, str]) -> Iterator[str]:
    in_files = [_variable(name) for name in (*_GROUP_OF, *RENAMED, *_SECRETS)]
    known = [*in_files, *(f"{name}_FILE" for name in in_files), *map(_variable, _OTHER_VARIABLES)]
    for name in sorted(env):
        if name.startswith(ENV_PREFIX) and name not in known and not name.startswith(_OTHER_PREFIXES):
            yield f"{name} is not a variable of this program{suggest(name.upper(), known)}"


def _service_links(env: Mapping[str, str]) -> list[str]:
    ours = ((name, value) for name, value in env.items() if name.startswith(ENV_PREFIX))
    return sorted(
        name
        for name, value in ours
        if _SERVICE_LINK_RE.fullmatch(name) or (name.endswith("_PORT") and _SERVICE_URL_RE.match(value))
    )


def _describe_links(names: list[str]) -> list[str]:
    if not names:
        return []
    shown = ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
    return [f"ignored what look like service links of Kubernetes: {shown}; set enableServiceLinks: false in the pod"]


def _read_tables(problems: Problems, key: str, rows: Any, file: str) -> tuple[Any, ...]:
    """The `[[…]]` of one kind; each is called by its name in messages."""
    if not isinstance(rows, list):
        problems.found.append(f"{file}: {key} must be written as tables, each [[{key}]]")
        return ()
    found = []
    for number, row in enumerate(rows, 1):
        with problems.collect():
            found.append(read_table(_TABLES[key], row, f"{file}: [[{key}]] {_name_of(row, number)}"))
    return tuple(found)


def _name_of(row: Any, number: int) -> str:
    if isinstance(row, dict) and isinstance(row.get("name"), str):
        return repr(row["name"])
    if isinstance(row, dict) and isinstance(row.get("model"), str):
        upstream = row.get("upstream")
        return f"{row['model']!r}" + (f" to {upstream!r}" if isinstance(upstream, str) else "")
    return f"number {number}"


def _contradictions(settings: Settings) -> Iterator[str]:
    """What no single value is to blame for."""
    if settings.storage.storage_links == "redirect" and settings.blob_dir is not None:
        yield (
            "storage_links is 'redirect': must be stream where storage is a folder: only an object store has links of"
            " its own"
        )
    credit = settings.credit
    if credit.demo_credits * NANOS_PER_USD // credit.credits_per_usd > MAX_NANOS:
        yield f"demo_credits is {credit.demo_credits}: more than an account may have at {credit.credits_per_usd} a USD"


def _with_key_file(row: UpstreamConfig, file: str, warnings: list[str]) -> UpstreamConfig:
    if not row.api_key_file:
        return row
    return msgspec.structs.replace(row, api_key_file=_beside(file, row.api_key_file, warnings))


def _beside(file: str, path: str, warnings: list[str]) -> str:
    """What a configuration names stands beside it. Folders of data do not: `data` means the same as `--data`."""
    folder, found = Path(file).parent, Path(path).expanduser()
    beside = folder / found
    if os.path.exists(beside) or not os.path.exists(found):  # noqa: PTH110  False too for what cannot be a path
        return str(beside)
    warnings.append(f"{path} is in the working folder and not beside {file}, where it is looked for first: move it")
    return str(found)
