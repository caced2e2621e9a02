"""What a value of a configuration may be, declared in the type of its field: `Annotated[int, whole(0, 65535)]`."""

from __future__ import annotations

import contextlib
import functools
import re
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec

from imagegate.domain.texts import suggest

T = TypeVar("T", bound=msgspec.Struct)

_MAX_SHOWN_CHARS = 80
_MAX_ENTRIES = 1000
_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_RE = re.compile(rf"(?:{_NAME}\.)*{_NAME}\.?")
# What stands before the last @ of a URL, and parameters such as `password=…`.
_CREDENTIALS_RE = re.compile(r"(?<=://).*(?=@)")
_PARAMETERS_RE = re.compile(r"(?i)((?:pass|secret|token|key|sig)[a-z_-]*=)[^&\s]+")


class Bounds(NamedTuple):
    """`allowed` continues "must be"; of a list each entry is meant. A secret value is never shown."""

    allowed: str
    holds: Callable[[Any], bool]
    is_secret: bool = False


class OutOfBounds(ValueError):
    """The text says which value and what is allowed; it follows a name."""


class ConfigurationError(ValueError):
    """What is wrong in a configuration, one line each: where it stands, the value, what is allowed."""

    def __init__(self, *problems: str) -> None:
        more = len(problems) - 1
        super().__init__(problems[0] + (f" (and {more} more: see imagegate config check)" if more else ""))
        self.problems = problems


class Problems:
    """Goes on after a fault, so that all are told at once."""

    def __init__(self) -> None:
        self.found: list[str] = []

    @contextlib.contextmanager
    def collect(self) -> Iterator[None]:
        try:
            yield
        except ConfigurationError as error:
            self.found += error.problems

    def raise_as(self, kind: type[ConfigurationError]) -> None:
        if self.found:
            raise kind(*dict.fromkeys(self.found))


def whole(least: int, most: int, hint: str = "") -> Bounds:
    return Bounds(f"a whole number from {least} to {most}{hint}", lambda value: least <= value <= most)


def number(least: float, most: float, hint: str = "") -> Bounds:
    return Bounds(f"a number from {least:g} to {_plain(most)}{hint}", lambda value: least <= value <= most)


def above_0(most: float) -> Bounds:
    return Bounds(f"a number above 0, at most {_plain(most)}", lambda value: 0 < value <= most)


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def one_of(*words: str) -> Bounds:
    return Bounds(f"one of {', '.join(words)}", lambda value: value.lower() in words)


def matching(pattern: str, allowed: str, *, is_secret: bool = False) -> Bounds:
    compiled = re.compile(pattern)
    return Bounds(allowed, lambda value: compiled.fullmatch(value) is not None, is_secret)


def parsed_by(parse: Callable[[str], object], allowed: str) -> Bounds:
    """What `parse` reads without ValueError."""

    def holds(value: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return Bounds(allowed, holds)


def is_host(text: str) -> bool:
    """A host name in ASCII or an IPv4 address."""
    return len(text) <= 253 and _HOST_RE.fullmatch(text) is not None


def read_value(value: Any, hint: Any) -> Any:
    """The value as the type says, within its bounds. OutOfBounds.

    Texts become numbers and booleans where such are wanted: variables of an environment are texts.
    """
    bounds = _bounds_of(hint)
    try:
        found = msgspec.convert(value, _plain_type(hint), strict=False)
    except msgspec.ValidationError:
        raise _refusal(value, hint, bounds) from None
    if bounds is None or found is None:
        return found
    if not isinstance(found, tuple):
        if not bounds.holds(found):
            raise _refusal(value, hint, bounds)
        return found
    if len(found) > _MAX_ENTRIES:
        raise OutOfBounds(f"has {len(found)} entries: must be at most {_MAX_ENTRIES}")
    for entry in found:
        if not bounds.holds(entry):
            raise OutOfBounds(f"has {show(entry, bounds)}: each must be {bounds.allowed}")
    return found


def read_table(kind: type[T], table: Any, label: str) -> T:
    """A table as the struct; `label` names it in messages. ConfigurationError with all that is wrong in it."""
    if not isinstance(table, dict):
        raise ConfigurationError(f"{label} is {show(table)}: must be a table")
    hints, values, problems = hints_of(kind), {}, Problems()
    for name in table.keys() - hints.keys():
        problems.found.append(f"{label} has no field {name!r}{suggest(name, hints)}")
    for field in msgspec.structs.fields(kind):
        with problems.collect():
            if field.name in table:
                values[field.name] = _read_field(table[field.name], hints[field.name], f"{label}: {field.name}")
            elif field.required:
                raise ConfigurationError(f"{label}: {field.name} is missing")
    problems.raise_as(ConfigurationError)
    return kind(**values)


def _read_field(value: Any, hint: Any, label: str) -> Any:
    nested = next((one for one in get_args(hint) if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)
    if nested is not None:
        return read_table(nested, value, label)
    try:
        return read_value(value, hint)
    except OutOfBounds as error:
        raise ConfigurationError(f"{label} {error}") from None


def _refusal(value: Any, hint: Any, bounds: Bounds | None) -> OutOfBounds:
    return OutOfBounds(f"is {show(value, bounds)}: must be {_allowed(hint, bounds)}")


def show(value: Any, bounds: Bounds | None = None) -> str:
    """The value for a message of one line, without what may be a secret in it."""
    if bounds is not None and bounds.is_secret:
        return f"of {len(value)} characters" if isinstance(value, str) else "no text"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        value = _PARAMETERS_RE.sub(r"\1…", _CREDENTIALS_RE.sub("…", value))
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}…"


@functools.cache
def hints_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The types of a struct's fields, with their bounds."""
    return typing.get_type_hints(kind, include_extras=True)


def _bounds_of(hint: Any) -> Bounds | None:
    return next((one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Bounds)), None)


def _plain_type(hint: Any) -> Any:
    return hint.__origin__ if hasattr(hint, "__metadata__") else hint


def _allowed(hint: Any, bounds: Bounds | None) -> str:
    kind = _plain_type(hint)
    if get_origin(kind) is tuple:
        return f"a list, each {bounds.allowed if bounds else 'a text in quotes'}"
    if bounds is not None:
        return bounds.allowed
    if get_origin(kind) in (typing.Union, types.UnionType):
        return " or ".join(_allowed(one, None) for one in get_args(kind) if one is not types.NoneType)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}
    return words.get(kind, "a table")
