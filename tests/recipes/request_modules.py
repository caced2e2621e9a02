"""Loads some modules of a package whose dependencies are not installed.

Run as a part of programs in another environment: it imports nothing of ours.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any


def load_modules(folder: Path, package: str, *kept: str, **given: dict[str, Any]) -> None:
    """`kept` are loaded from their files. All others of the package have what is `given`, by module with `__` for
    dots, and a class without contents for each other name."""
    names = {f"{package}.{name}" for name in kept}
    stubs = {f"{package}.{name.replace('__', '.')}": values for name, values in given.items()}
    sys.meta_path.insert(0, _Finder(folder, package, names, stubs))


class _Stub(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, folder: Path, package: str, kept: set[str], stubs: dict[str, dict[str, Any]]) -> None:
        self._folder, self._package, self._kept, self._stubs = folder, package, kept, stubs

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname.split(".", maxsplit=1)[0] != self._package:
            return None
        if fullname in self._kept:
            return importlib.util.spec_from_file_location(fullname, self._folder / f"{fullname.replace('.', '/')}.py")
        return importlib.util.spec_from_loader(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Stub(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._stubs.get(module.__name__, {}))
