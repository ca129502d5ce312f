"""Every public name has a docstring with its arguments, shapes, units and errors, in the form that the site shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
import pytest

import vtag

PACKAGE = griffe.load("vtag", search_paths=[Path(vtag.__file__).parents[1]])
INTEGRATIONS = ("integrations.presidio.VtagRecognizer", "integrations.ray.TagWorker", "integrations.ray.Cluster")
PUBLIC = [*(name for name in vtag.__all__ if name != "__version__"), *INTEGRATIONS]
# Functions and methods that raise nothing of their own.
RAISES_NOTHING = {
    "LLM.of",
    "LLM.identity",
    "LLM.answers",
    "LLM.apply_model",
    "LLM.close",
    "TagOptions.labels",
    "TagOptions.least",
    "TagOptions.above_threshold",
    "Tagger.unknown_label",
    "Tagger.prepare",
    "Tagger.encode",
    "Tagger.token_strings",
    "Tagger.finish",
    "Tagger.rows",
    "Tagger.probabilities",
    "to_hf",
    "integrations.presidio.VtagRecognizer.read_ahead",
    "integrations.ray.Cluster.answers",
}
OFFSETS = {"start", "end", "old_start", "old_end", "offsets", "spans", "replacements"}


def resolved(name: str) -> Any:
    found = PACKAGE[name]
    return found.final_target if found.is_alias else found


def documented() -> Iterator[tuple[str, Any]]:
    """Public names, and the public methods and properties of classes that they define."""
    for name in PUBLIC:
        thing = resolved(name)
        yield name, thing
        if thing.is_class:
            for member in thing.members.values():
                shown = member.name == "__call__" or not member.name.startswith("_")
                if shown and not member.is_alias and (member.is_function or "property" in member.labels):
                    yield f"{name}.{member.name}", member


NAMES = dict(documented())
CALLABLE = [name for name, thing in NAMES.items() if thing.is_function]


def sections(thing: Any) -> dict[str, Any]:
    """The parsed docstring: kind of section -> content."""
    assert thing.docstring is not None
    return {each.kind.value: each.value for each in thing.docstring.parse("google")}


def described(thing: Any, *kinds: str) -> set[str]:
    """The names in the docstring's sections of arguments or attributes."""
    found = sections(thing)
    return {each.name.lstrip("*") for kind in kinds for each in found.get(kind, ())}


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_docstring_whose_first_line_is_a_sentence(name: str) -> None:
    docstring = NAMES[name].docstring
    assert docstring is not None
    first = docstring.value.split("\n\n")[0].rstrip()
    assert first.endswith(".")


@pytest.mark.parametrize("name", CALLABLE)
def test_every_parameter_is_described(name: str) -> None:
    parameters = {each.name for each in NAMES[name].parameters} - {"self", "cls"}
    assert described(NAMES[name], "parameters") == parameters


@pytest.mark.parametrize("name", [name for name in CALLABLE if name.rpartition(".")[2] != "to_dict"])
def test_it_says_what_is_raised(name: str) -> None:
    quiet = name in RAISES_NOTHING or not ({each.name for each in NAMES[name].parameters} - {"self"})
    assert ("raises" in sections(NAMES[name])) != quiet


@pytest.mark.parametrize("name", [name for name, thing in NAMES.items() if thing.is_class])
def test_every_field_of_a_class_is_described(name: str) -> None:
    thing = NAMES[name]
    if name in ("Report", "Comparison"):  # their fields are those of the JSON
        assert "docs/reference/report.md" in thing.docstring.value
        return
    fields = {each.name for each in thing.members.values() if each.is_attribute and "property" not in each.labels}
    public = {field for field in fields if not field.startswith("_")}
    if "dataclass" in thing.labels or name in ("Replacement", "VtagError"):
        assert described(thing, "attributes") == public
    else:
        parameters = {each.name.lstrip("*") for each in thing.parameters} - {"self"}
        assert described(thing, "parameters") == parameters


@pytest.mark.parametrize("name", NAMES)
def test_arrays_have_a_shape_and_a_dtype_and_offsets_a_unit(name: str) -> None:
    thing = NAMES[name]
    assert thing.docstring is not None
    says = thing.docstring.value
    annotations = [str(thing.returns)] if thing.is_function else [str(thing.annotation)] if thing.is_attribute else []
    if thing.is_function:
        annotations += [str(each.annotation) for each in thing.parameters]
    if any("ndarray" in annotation for annotation in annotations):
        assert "float32 [" in says
    whole = thing.is_class and {field.name for field in thing.members.values()} & OFFSETS
    if whole or (thing.is_function and "Span" in str(thing.returns) and name not in ("TagOptions.above_threshold",)):
        assert "code points" in says.replace("\n", " ") or "Unicode code points" in says
