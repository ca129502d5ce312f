"""Each option that does not fit is refused in one line, whatever the texts are, and before an engine does anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from transformers.pipelines.token_classification import AggregationStrategy

from tests.refusals import refused
from vtag.cli import engine
from vtag.cli.main import main
from vtag.errors import TABLE, SettingError
from vtag.files.run import tag_files
from vtag.options import TagOptions

if TYPE_CHECKING:
    from vtag import LLM

# Options -> the kind of the refusal, and what its message repeats.
TABLE_OF_OPTIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"aggregation_strategy": "best"}, "unknown_strategy", "'best'"),
    ({"aggregation_strategy": "SIMPEL"}, "unknown_strategy", "'SIMPEL'"),
    ({"aggregation_strategy": ""}, "unknown_strategy", "''"),
    ({"aggregation_strategy": "a\nb"}, "unknown_strategy", "'a"),
    ({"aggregation_strategy": None}, "unknown_strategy", "None"),
    ({"aggregation_strategy": 3}, "unknown_strategy", "3"),
    ({"aggregation_strategy": ["simple"]}, "unknown_strategy", "['simple']"),
    ({"threshold": 1.5}, "bad_threshold", ""),
    ({"threshold": -0.1}, "bad_threshold", ""),
    ({"threshold": float("nan")}, "bad_threshold", ""),
    ({"threshold": True}, "bad_threshold", ""),
    ({"threshold": "0.5"}, "bad_threshold", ""),
    ({"threshold": [0.5]}, "bad_threshold", ""),
    ({"threshold": {"CITY": 2}}, "bad_threshold", ""),
    ({"threshold": {1: 0.5}}, "bad_threshold", ""),
    ({"threshold": {"CITTY": 0.5}}, "no_such_label", "threshold: the model has no label 'CITTY'"),
    ({"threshold": {"*": 0.5, "city": 0.5}}, "no_such_label", "'city'"),
    ({"ignore_labels": ["CITTY"]}, "no_such_label", "ignore_labels: the model has no label 'CITTY'"),
    ({"ignore_labels": "CITTY"}, "no_such_label", "'CITTY'"),
    ({"ignore_labels": ["O", "*"]}, "no_such_label", "'*'"),
    ({"ignore_labels": ["O", 3]}, "bad_ignore_labels", "3"),
    ({"ignore_labels": None}, "bad_ignore_labels", "None"),
    ({"ignore_labels": b"O"}, "bad_ignore_labels", "b'O'"),
    ({"ignore_labels": {"O": True}}, "bad_ignore_labels", "True"),
    ({"stride": -1}, "bad_stride", "-1"),
    ({"stride": 510}, "bad_stride", "from 0 to 509 tokens"),
    ({"stride": 510, "aggregation_strategy": "simple"}, "bad_stride", "from 0 to 509 tokens"),
    ({"stride": 10**30}, "bad_stride", ""),
    ({"stride": 1.5}, "stride_number", "1.5"),
    ({"stride": "64"}, "stride_number", "'64'"),
    ({"stride": True}, "stride_number", "True"),
    ({"stride": 64, "aggregation_strategy": "none"}, "stride_without_groups", ""),
]
WRONG = pytest.mark.parametrize(("options", "kind", "says"), TABLE_OF_OPTIONS, ids=lambda value: str(value)[:40])


@WRONG
@pytest.mark.parametrize("texts", [[], ["Call Ann."], [None]], ids=str)
def test_from_python_at_the_call(idle: LLM, texts: list[Any], options: dict[str, Any], kind: str, says: str) -> None:
    refused(kind, says, lambda: idle.tag(texts, **options))
    refused(kind, says, lambda: idle.tag_stream(texts, **options))
    refused(kind, says, lambda: idle.tag_stream(words=[texts], **options))
    refused(kind, says, lambda: idle.tag_chunks([texts], **options))
    refused(kind, says, lambda: idle.tagger.bind(TagOptions(**options)))


@WRONG
def test_of_files_before_anything_is_made(
    no_engine: None, tmp_path: Path, options: dict[str, Any], kind: str, says: str
) -> None:
    (tmp_path / "in.txt").write_text("Call Ann.\n", "utf-8")
    refused(kind, says, lambda: tag_files("demo", tmp_path / "in.txt", tmp_path / "out.jsonl", **options))
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["--aggregation-strategy", "best"], "unknown_strategy"),
        (["--threshold", "1.5"], "bad_threshold"),
        (["--threshold", "nan"], "bad_threshold"),
        (["--ignore-labels", "O,CITTY"], "no_such_label"),
        (["--stride", "510"], "bad_stride"),
        (["--stride", "-1"], "bad_stride"),
        (["--stride", "64", "--aggregation-strategy", "None"], "stride_without_groups"),
    ],
)
@pytest.mark.parametrize("command", [["tag", "demo", "Call Ann."], ["run", "demo", "in.txt", "-o", "out.jsonl"]])
def test_from_the_command_line(
    no_engine: None,
    command: list[str],
    arguments: list[str],
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("Call Ann.\n", "utf-8")
    assert main([*command, *arguments]) == TABLE[kind].exit_code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err.startswith("vtag: ")) == ("", 1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


@pytest.mark.parametrize("given", ["simple", "Simple", "SIMPLE", AggregationStrategy.SIMPLE])
def test_a_strategy_in_any_case_of_letters(llm: LLM, given: str) -> None:
    text = "I am Ann Smith."
    assert llm.tag(text, aggregation_strategy=given) == llm.tag(text, aggregation_strategy="simple") != []


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": {"*": 0.5}},
        {"threshold": {"CITY": 1, "B-CITY": 0}},
        {"ignore_labels": []},
        {"ignore_labels": ["O", "CITY", "I-CITY"]},
        {"ignore_labels": iter(["CITY"])},
        {"stride": 0},
        {"stride": 509},
    ],
    ids=lambda options: str(options).partition(" object at ")[0],
)
def test_what_fits_is_taken(llm: LLM, options: dict[str, Any]) -> None:
    asked = TagOptions(**options)
    assert {llm.tagger.bind(asked)} == {replace(asked)}
    assert llm.tag([], **options) == []


def test_a_model_that_nobody_knows_yet_is_not_needed_for_the_first_look() -> None:
    with pytest.raises(SettingError, match="no such strategy"):
        tag_files("./none", "./none.jsonl", "./none.csv", aggregation_strategy="best")


def doors() -> list[Callable[..., Any]]:
    """Whatever takes the options of `LLM.tag` as keywords."""
    from vtag import LLM
    from vtag.integrations.ray import TagWorker

    return [LLM.__call__, LLM.tag, LLM.tag_stream, LLM.tag_chunks, tag_files, TagWorker.__init__]


def test_every_door_takes_every_option_and_leaves_it_as_it_is_by_default() -> None:
    wanted = {option.name: option.default for option in fields(TagOptions)}
    assert wanted.pop("each_word") is False  # a policy of redaction sets it
    for door in doors():
        taken = {name: one.default for name, one in signature(door).parameters.items() if name in wanted}
        if door.__name__ == "__call__":  # as Hugging Face's pipeline
            assert taken.pop("aggregation_strategy") == "simple"
            taken["aggregation_strategy"] = wanted["aggregation_strategy"]
        assert taken == wanted, door.__qualname__
    assert engine.TAGGING.keys() == wanted.keys()
