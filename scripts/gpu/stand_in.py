"""Stands in for a package that a bundle leaves out: what is imported from it has a name, and fails when called."""

from __future__ import annotations

from typing import Any


class Absent(type):
    """A class of the package; its attributes are such classes, too."""

    def __getattr__(cls, name: str) -> Absent:
        return absent(cls.__module__, name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{cls.__module__} is not in this bundle: {cls.__name__} cannot be called")


def absent(module: str, name: str) -> Absent:
    """The class of that name; what Python itself asks a module for is not there."""
    if name.startswith("__"):
        raise AttributeError(name)
    return type.__call__(Absent, name, (), {"__module__": module})


def __getattr__(name: str) -> Absent:
    return absent(__name__, name)
