"""The documents name what the code has: every setting, every error, every command, and nothing else."""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from imagegate.api.problems import STATUS
from imagegate.catalog.routes import Protocol, RouteConfig, UpstreamConfig, load_dialects
from imagegate.domain import errors
from imagegate.domain.errors import Problem, TaskErrorCode
from imagegate.settings import ENV_PREFIX, GROUPS, RENAMED
from imagegate.simulator.faults import FAULTS
from tests.deploy.packages import check_command

ROOT = Path(__file__).resolve().parents[2]
_CODE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _section(file: str, title: str) -> str:
    """The text below a heading of the second rank."""
    pattern = re.compile(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    found = pattern.search((ROOT / file).read_text("utf-8"))
    assert found, f"{file} has no section {title!r}"
    return found[1]


def _table_rows(file: str, title: str) -> list[list[str]]:
    """The cells of the section's table, without its head and without code marks."""
    lines = [line for line in _section(file, title).splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def _toml_literal(value: Any) -> str:
    """A default as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_literal(part) for part in value) + "]"
    return str(value)


@pytest.mark.parametrize("group", GROUPS)
def test_every_setting_is_documented_with_its_variable_and_default(group: str) -> None:
    defaults = GROUPS[group]()
    expected = [
        [field, _toml_literal(getattr(defaults, field)), ENV_PREFIX + field.upper()]
        for field in defaults.__struct_fields__
    ]
    rows = _table_rows("docs/configuration.md", group)
    assert [row[:3] for row in rows] == expected
    assert all(len(row) == 5 and row[3] and row[4] for row in rows)


def test_every_renamed_setting_is_documented() -> None:
    assert _table_rows("docs/configuration.md", "Renamed settings") == [list(names) for names in RENAMED.items()]
    fields = {field for kind in GROUPS.values() for field in kind.__struct_fields__}
    assert set(RENAMED.values()) <= fields
    assert not RENAMED.keys() & fields


def test_no_variable_is_documented_that_nothing_reads() -> None:
    text = (ROOT / "docs/configuration.md").read_text("utf-8")
    settings = {ENV_PREFIX + field.upper() for kind in GROUPS.values() for field in kind.__struct_fields__}
    source = "\n".join(file.read_text("utf-8") for folder in ("src", "tests") for file in _python_files(folder))
    others = set(re.findall(r"IMAGEGATE_[A-Z_]+", text)) - settings
    assert others == {row[0] for row in _table_rows("docs/configuration.md", "Other variables")}
    assert {name for name in others if f'"{name}"' not in source} == set()


def _python_files(folder: str) -> list[Path]:
    return [file for file in sorted((ROOT / folder).rglob("*.py")) if file != Path(__file__).resolve()]


def test_every_problem_has_a_status_and_a_line() -> None:
    problems = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, Problem) and kind is not Problem
    }
    assert problems == set(STATUS)
    expected = {(str(STATUS[kind][0]), kind.code) for kind in problems}
    rows = _table_rows("docs/errors.md", "HTTP errors")
    assert {(row[0], row[1]) for row in rows} == expected
    assert len(rows) == len(problems)
    assert all(row[2] for row in rows)


def test_every_task_error_has_a_line() -> None:
    rows = _table_rows("docs/errors.md", "Task errors")
    assert [row[0] for row in rows] == [code.value for code in TaskErrorCode]
    assert all(row[1] in ("caller", "server") and row[2] for row in rows)


@pytest.mark.parametrize(
    ("title", "row"), [("Fields of an upstream", UpstreamConfig), ("Fields of a route", RouteConfig)]
)
def test_every_field_of_upstreams_and_routes_is_documented_with_its_default(title: str, row: type[Any]) -> None:
    rows = _table_rows("docs/upstreams.md", title)
    assert [cells[:2] for cells in rows] == [[field.name, _default(field)] for field in msgspec.structs.fields(row)]
    assert all(len(cells) == 3 and cells[2] for cells in rows)
    words = " ".join(re.findall(r"`([^`]+)`", _section("docs/upstreams.md", title)))
    for field in msgspec.structs.fields(row):
        named = [value for kind in get_args(field.type) or [field.type] for value in _values(kind)]
        assert [value for value in named if value not in words] == [], field.name


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return "none" if default is None else _toml_literal(default)


def _values(kind: Any) -> tuple[str, ...]:
    """The words that a field may hold, and the fields of one that is a table."""
    if isinstance(kind, str):
        return (kind,)
    return getattr(kind, "__struct_fields__", ()) or tuple(one for one in get_args(kind) if isinstance(one, str))


def test_every_dialect_is_named_among_the_fields() -> None:
    (dialect,) = (row for row in _table_rows("docs/upstreams.md", "Fields of an upstream") if row[0] == "dialect")
    own = set(get_args(Protocol)) - {"openai"}
    assert [name for name in load_dialects() if name not in own and f"`{name}`" not in dialect[2]] == []


def test_every_fault_of_the_simulator_has_its_line() -> None:
    rows = _table_rows("docs/simulator.md", "Faults")
    assert rows == [[name, fault.description] for name, fault in FAULTS.items()]


def layers() -> str:
    """The block of CONTRIBUTING.md that is compared with the contract of import-linter."""
    return _blocks_of_architecture()[0]


def folders() -> str:
    """The block whose files exist."""
    return _blocks_of_architecture()[1]


def _blocks_of_architecture() -> list[str]:
    found: list[str] = _CODE.findall(_section("CONTRIBUTING.md", "Architecture"))
    return found


def test_contributing_lists_the_layers_and_the_protected_packages() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (ordered,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert layers() == "".join(f"{layer}\n" for layer in ordered)
    protected = [
        [_quoted(contract["protected_modules"]), _quoted(contract["allowed_importers"])]
        for contract in contracts
        if contract["type"] == "protected"
    ]
    lines = _section("CONTRIBUTING.md", "Architecture").splitlines()
    assert [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")] == protected


def _quoted(modules: list[str]) -> str:
    return ", ".join(f"`{name.removeprefix('imagegate.')}`" for name in modules)


def test_every_file_that_contributing_names_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = re.findall(r"`([a-z_]+(?:/[\w.]+)*(?:\.(?:py|md|toml|lock)|/))`", text)
    assert len(named) > 20
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "src/imagegate" / name).exists(), name


def test_every_file_of_the_overview_exists() -> None:
    parents: list[str] = []
    for indent, name in re.findall(r"^( *)([\w./]+)  ", folders().replace("\n", "  \n"), re.MULTILINE):
        parents = [*parents[: len(indent) // 2], name]
        assert (ROOT / "/".join(parents)).exists(), name


def _documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "client").glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@functools.cache
def _anchors(document: Path) -> set[str]:
    """What GitHub makes of the headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", _CODE.sub("", document.read_text("utf-8")), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(next(one for one in (name, *(f"{name}-{n}" for n in range(1, 100))) if one not in found))
    return found


def test_every_link_leads_to_a_file_and_a_heading_that_exist() -> None:
    broken = []
    for document in _documents():
        text = _CODE.sub("", document.read_text("utf-8"))
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, anchor = target.partition("#")
            file = (document.parent / name) if name else document
            if "://" in target or target.startswith("mailto:"):
                continue
            if not file.exists() or (anchor and anchor not in _anchors(file)):
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text("utf-8")
    pages = {file.name for file in (ROOT / "docs").glob("*.md")} - {"README.md", "openai-conformance.md"}
    assert {name for name in pages if f"({name}" not in index} == set()


def test_every_command_in_the_text_exists() -> None:
    found = set()
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/spec").glob("*.md")]:
        text = _CODE.sub("", document.read_text("utf-8"))
        found |= set(re.findall(r"`imagegate ([a-z][^`|]*)`", text.replace("\n", " ")))
    assert len(found) > 40
    for line in found:
        check_command(re.sub(r"\[.*?\]|…", "", line).split())


def test_the_diagram_uses_the_words_of_its_page() -> None:
    text = (ROOT / "docs/concepts.md").read_text("utf-8")
    (diagram,) = re.findall(r"^```mermaid\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names = set(re.findall(r"\w+\[([^]]+)\]", diagram)) - {"imagegate", "client"}
    words = {word for row in _table_rows("docs/concepts.md", "Words") for word in row[0].split(", ")} | {"ledger"}
    assert len(names) > 7
    assert names <= words


def _sources() -> list[str]:
    """The code of each file of the programs, with texts of several lines in one."""
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "client/src").rglob("*.py")]
    return [re.sub(r'"\s*\n\s*f?"', "", file.read_text("utf-8")) for file in files]


def test_every_message_that_is_explained_is_one_of_the_program() -> None:
    lines = re.findall(r"^### (`.+)$", (ROOT / "docs/troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    headings = [heading for line in lines for heading in re.findall(r"`([^`]+)`", line)]
    assert len(headings) > 30
    sources = _sources()
    for heading in headings:
        parts = [part.strip() for part in heading.removeprefix("imagegate: ").split("…")]
        assert any(all(part in source for part in parts) for source in sources), heading
