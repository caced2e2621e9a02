"""What the package offers: all of it documented, alike in both clients, and loaded by nobody who does not use it."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import imagegate
import imagegate_client
from tests.docs.spec import ROOT

PACKAGE = Path(imagegate_client.__file__).parent
PUBLIC = [getattr(imagegate_client, name) for name in imagegate_client.__all__ if name != "__version__"]
CLASSES = [one for one in PUBLIC if inspect.isclass(one)]


def test_s15_client_documented_every_public_name() -> None:
    assert len(CLASSES) > 40
    assert [one.__name__ for one in CLASSES if not vars(one).get("__doc__")] == []
    methods = {f"{one.__name__}.{name}": member for one in CLASSES for name, member in vars(one).items()
               if inspect.isfunction(_function(member)) and _is_public(name)}  # fmt: skip
    assert len(methods) > 50
    assert [name for name, member in methods.items() if not inspect.getdoc(member)] == []


def _function(member: Any) -> Any:
    return member.fget if isinstance(member, property) else member


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name == "__init__"


def test_every_public_field_and_alias_is_documented() -> None:
    fields, missing = 0, []
    for file in PACKAGE.glob("_*.py"):
        for scope in _documented_scopes(ast.parse(file.read_text("utf-8"))):
            for node, following in zip(scope.body, [*scope.body[1:], None], strict=True):
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    fields += 1
                    if not _is_text(following):
                        missing.append(f"{file.name}:{node.lineno} {node.target.id}")
    assert fields > 120
    assert missing == []


def _documented_scopes(module: ast.Module) -> list[ast.Module | ast.ClassDef]:
    """The public classes, and the module with its public aliases alone."""
    public = imagegate_client.__all__
    classes = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name in public]
    aliases = [
        node
        for node in module.body
        if isinstance(node, ast.Expr) or (isinstance(node, ast.AnnAssign) and ast.unparse(node.target) in public)
    ]
    return [*classes, ast.Module(body=list(aliases), type_ignores=[])]


def _is_text(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def test_the_client_is_the_asynchronous_client_without_waiting() -> None:
    command = [sys.executable, "-m", "tools.sync_client", "check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("Client", "Images", "Tasks", "Files", "ImageResult"):
        one, other = getattr(imagegate_client, name), getattr(imagegate_client, f"Async{name}")
        assert [part for part in vars(one) if _is_public(part)] == [part for part in vars(other) if _is_public(part)]


def test_the_server_package_has_every_name_of_the_client() -> None:
    for name in imagegate_client.__all__:
        if name != "__version__":
            assert getattr(imagegate, name) is getattr(imagegate_client, name)
    assert set(imagegate_client.__all__) <= set(dir(imagegate))
    assert not hasattr(imagegate, "nonsense")


def test_both_distributions_have_one_version() -> None:
    assert imagegate_client.__version__ == imagegate.__version__


def test_importing_the_server_package_loads_nothing_of_the_client() -> None:
    code = "import sys, imagegate, imagegate.cli; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"imagegate_client", "httpx2", "aiohttp", "msgspec"} & set(loaded) <= {"msgspec"}
    assert "imagegate.cli" in loaded


def test_the_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
    assert not list(PACKAGE.rglob("*.pyi"))
