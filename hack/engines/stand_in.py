"""Stands in for modules that argument code imports but that this machine lacks.

Such a module has every name. A name stands for anything that code may do with a class or a value while modules are
loaded: derive from it, call it, index it, annotate with it. It never says what a flag is called or takes: where an
argument parser depended on one, the flags would come out wrong, and the tests of ``known`` would say so.
"""

import importlib.abc
import importlib.machinery
import importlib.metadata
import sys
import types
from abc import ABCMeta
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import core_schema


class _Anything(ABCMeta):
    """The class of stand-in classes: most of what a class or a value can be asked for gives a stand-in again."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **_: object) -> "_Anything":
        return super().__new__(cls, name, bases, namespace)

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **_: object) -> None:
        super().__init__(name, bases, namespace)

    def __getattr__(cls, name: str) -> "_Anything":
        if name.startswith("__"):
            raise AttributeError(name)
        return _named(f"{cls.__name__}.{name}")

    def __call__(cls, *args: Any, **options: Any) -> Any:
        as_decorator = len(args) == 1 and not options and callable(args[0])
        return args[0] if as_decorator else cls

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __bool__(cls) -> bool:
        return False

    def __index__(cls) -> int:  # bounds of numbers
        return 0

    def __hash__(cls) -> int:
        return id(cls)

    def _same(cls, *_: object) -> "_Anything":
        return cls

    def _less(cls, _: object) -> bool:
        return False

    __or__ = __ror__ = __add__ = __radd__ = __getitem__ = _same
    __lt__ = __le__ = __gt__ = __ge__ = _less


def _named(name: str) -> _Anything:
    return _Anything(name, (), {"__module__": __name__, "__get_pydantic_core_schema__": classmethod(_any_schema)})


def _any_schema(*_: object) -> core_schema.CoreSchema:
    return core_schema.any_schema()


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> _Anything:
        if name.startswith("__"):
            raise AttributeError(name)
        return _named(f"{self.__name__}.{name}")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, versions: Mapping[str, str]) -> None:
        self._versions = versions

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        stood_in = any(fullname == name or fullname.startswith(f"{name}.") for name in self._versions)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if stood_in else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = _Module(spec.name)
        module.__dict__["__version__"] = self._versions.get(spec.name, "0")
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


def install(versions: Mapping[str, str]) -> None:
    """Stand in for modules and all that is below them.

    Args:
        versions: Dotted name of each module, and the version that it says it is.
    """
    installed = importlib.metadata.version

    def version(distribution_name: str) -> str:
        return versions.get(distribution_name) or installed(distribution_name)

    importlib.metadata.version = version
    sys.meta_path.insert(0, _Finder(versions))


def leave_empty(packages: Sequence[str], roots: Sequence[Path]) -> None:
    """Let packages be found without running their ``__init__``, which would import much more than arguments."""
    for name in packages:
        package = types.ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split("."))) for root in roots]
        sys.modules[name] = package
