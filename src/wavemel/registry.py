"""One registry per kind of thing that can be added by adding one file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Generic, TypeVar

from wavemel.errors import ConfigError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to things, filled by importing every module of one package on first use.

    Parameters
    ----------
    kind : what it holds, in the singular, for error messages ("network").
    package : dotted name of the package whose modules register themselves.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._items: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files its argument under ``name``."""

        def file_under_name(item: T) -> T:
            if name in self._items:
                raise ValueError(f"two {self.kind}s are called {name!r}")
            self._items[name] = item
            return item

        return file_under_name

    def _load(self) -> None:
        if self._loaded:
            return
        package: ModuleType = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")
        self._loaded = True

    def __getitem__(self, name: str) -> T:
        """Return what is filed under ``name``; raise ConfigError with the nearest names if nothing is."""
        self._load()
        if name not in self._items:
            raise ConfigError(
                f"there is no {self.kind} called {name!r}{suggest(name, self._items)}"
            )
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._items))

    def items(self) -> list[tuple[str, T]]:
        """Return all (name, thing) pairs, by name."""
        return [(name, self._items[name]) for name in self]


def suggest(name: str, known: Iterator[str] | dict[str, T] | list[str] | tuple[str, ...]) -> str:
    """Return the end of an error sentence that offers the nearest, or all, known names."""
    import difflib  # only a mistake needs it, and every start would wait for it

    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f" (did you mean {near[0]!r}?)"
    return f" (known: {', '.join(names)})"
