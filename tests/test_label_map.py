"""A label map gives the same spans under other names through every door, and is part of a run's key."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve.protocols.test_kserve import tensor
from tests.serve.protocols.test_vtag import TEXTS
from tests.serve.servers import PRESIDIO_LABELS, Server
from vtag.cli.main import main
from vtag.errors import SettingError
from vtag.options import STRATEGIES
from vtag.types import Span

if TYPE_CHECKING:
    from vtag import LLM

NAMES: dict[str, str] = tomllib.loads(PRESIDIO_LABELS.read_text("utf-8"))
# The same, with a type left out.
MAP = NAMES | {"CITY": ""}
DOCUMENT = "\n".join(TEXTS[:30])


@pytest.fixture(scope="module")
def mapped() -> Iterator[LLM]:
    """`llm` under MAP."""
    from vtag import LLM

    with LLM("demo", dtype="float32", label_map=MAP) as mapped:
        yield mapped


def rename(spans: Sequence[Span], names: dict[str, str] = MAP) -> list[Span]:
    """The spans as a label map has them."""
    found = []
    for span in spans:
        prefix, kind = span.label[:2] if span.label[:2] in ("B-", "I-") else "", span.label.removeprefix("B-")
        name = names.get(kind.removeprefix("I-"), kind.removeprefix("I-"))
        if name:
            found.append(replace(span, label=prefix + name))
    return found


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_spans_have_other_names_and_are_the_same_otherwise(llm: LLM, mapped: LLM, strategy: str) -> None:
    texts = [*TEXTS[:60], DOCUMENT]
    plain = llm.tag(texts, aggregation_strategy=strategy)
    assert mapped.tag(texts, aggregation_strategy=strategy) == [rename(spans) for spans in plain]
    words = [text.split() for text in TEXTS[:20]]
    plain = llm.tag(words=words, aggregation_strategy=strategy)
    assert mapped.tag(words=words, aggregation_strategy=strategy) == [rename(spans) for spans in plain]


def test_options_take_the_new_names_and_refuse_the_old_ones(llm: LLM, mapped: LLM) -> None:
    plain = [rename(spans) for spans in llm.tag(TEXTS)]
    found = mapped.tag(TEXTS, threshold={"PERSON": 0.9}, ignore_labels=["PHONE_NUMBER"])
    assert found == [
        [span for span in spans if span.label != "PHONE_NUMBER" and (span.label != "PERSON" or span.score >= 0.9)]
        for spans in plain
    ]
    for options in ({"threshold": {"GIVEN_NAME": 0.5}}, {"ignore_labels": ["CITY"]}):
        with pytest.raises(SettingError, match="the model has no label"):
            mapped.tag("x", **options)


def test_logits_are_the_models_own_and_their_labels_have_the_new_names(llm: LLM, mapped: LLM) -> None:
    (plain,), (found,) = llm.encode(TEXTS[0]), mapped.encode(TEXTS[0])
    assert (found.data == plain.data).all()
    assert found.labels == mapped.id2label
    assert set(found.labels.values()) == {"O"} | {
        f"{prefix}-{name}" for prefix in "BI" for name in {*MAP.values(), "URL"} - {""}
    }
    for row, chances in zip(found.top_k(99), plain.probabilities, strict=True):
        assert len({label for label, _ in row}) == len(row) == len(set(found.labels.values()))
        assert sum(score for _, score in row) == pytest.approx(1, abs=1e-5)
        person = sum(chances[i] for i, label in llm.id2label.items() if label in ("B-GIVEN_NAME", "B-SURNAME"))
        assert dict(row)["B-PERSON"] == pytest.approx(person, abs=1e-6)


ROUTES: dict[str, tuple[Callable[[list[str]], Any], Callable[[Any], list[list[tuple[str, int, int]]]]]] = {
    "/v1/tag": (
        lambda texts: {"input": texts},
        lambda body: [[(s["label"], s["start"], s["end"]) for s in row["spans"]] for row in body["results"]],
    ),
    "/v1/redact": (
        lambda texts: {"input": texts},
        lambda body: [
            [(r["label"], r["old_start"], r["old_end"]) for r in row["replacements"]] for row in body["results"]
        ],
    ),
    "/": (
        lambda texts: {"inputs": texts, "parameters": {"aggregation_strategy": "first"}},
        lambda body: [[(s["entity_group"], s["start"], s["end"]) for s in row] for row in body],
    ),
    "/analyze": (
        lambda texts: {"text": texts},
        lambda body: [[(s["entity_type"], s["start"], s["end"]) for s in row] for row in body],
    ),
    "/classify": (
        lambda texts: {"inputs": texts},
        lambda body: [[(s["label"], s["start"], s["end"]) for s in row["spans"]] for row in body],
    ),
    "/api/v1/text/contents": (
        lambda texts: {"contents": texts},
        lambda body: [[(s["detection_type"], s["start"], s["end"]) for s in row] for row in body],
    ),
    "/v1/models/demo:predict": (
        lambda texts: {"instances": texts},
        lambda body: [[(s["label"], s["start"], s["end"]) for s in row] for row in body["predictions"]],
    ),
    "/v2/models/demo/infer": (
        lambda texts: {"inputs": [tensor(texts, [len(texts)])]},
        lambda body: [
            [(s["label"], s["start"], s["end"]) for s in json.loads(row)] for row in body["outputs"][0]["data"]
        ],
    ),
}


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_has_the_new_names(renamed: Server, llm: LLM, route: str) -> None:
    asked, read = ROUTES[route]
    texts = [*TEXTS[:50], DOCUMENT]
    found = read(renamed.post(route, asked(texts)).json())
    strategy = "first" if route == "/" else "viterbi"
    wanted = [rename(spans, NAMES) for spans in llm.tag(texts, aggregation_strategy=strategy)]
    assert found == [[(span.label, span.start, span.end) for span in spans] for spans in wanted]
    assert sum(map(len, found)) > 100


def test_what_a_server_tells_of_itself_has_them_too(renamed: Server) -> None:
    types = list(dict.fromkeys([*NAMES.values()]))
    info = renamed.get("/info").json()
    assert set(info["types"]) == {*types, "URL"}
    assert len(info["types"]) == len(set(info["types"]))
    assert info["labels"] == list(dict.fromkeys(info["labels"]))
    assert set(info["labels"]) == {"O"} | {f"{prefix}-{name}" for prefix in "BI" for name in info["types"]}
    assert set(info["colors"]) == {*info["types"], *info["labels"]}
    assert set(renamed.get("/supportedentities").json()) == set(info["types"])
    asked = {"input": "I'm Marisol Okonkwo.", "top_k": 99, "return_tokens": True, "threshold": {"PERSON": 0.5}}
    (result,) = renamed.post("/v1/tag", asked).json()["results"]
    for span in result["spans"]:
        assert {top["label"] for top in span["top"]} == {"O", *info["types"]}
    for token in result["tokens"]:
        assert {top["label"] for top in token["top"]} == set(info["labels"])
    metrics = renamed.get("/metrics").text
    assert 'vtag_spans_total{label="PERSON"}' in metrics
    assert "GIVEN_NAME" not in metrics


@pytest.mark.parametrize("place", ["in process", "behind HTTP"])
def test_presidios_recognizer_has_them(place: str, mapped: LLM, renamed: Server, llm: LLM) -> None:
    from vtag.integrations.presidio import VtagRecognizer

    names = MAP if place == "in process" else NAMES
    recognizer = VtagRecognizer(mapped if place == "in process" else renamed.url)
    assert set(recognizer.get_supported_entities()) == {*names.values(), "URL"} - {""}
    found = [(one.entity_type, one.start, one.end) for one in recognizer.analyze(DOCUMENT, [])]
    assert found == [(span.label, span.start, span.end) for span in rename(llm.tag(DOCUMENT)[0], names)]
    assert {one.entity_type for one in recognizer.analyze(DOCUMENT, ["PERSON"])} == {"PERSON"}


def test_files_and_the_command_line_have_them_and_a_run_with_another_map_is_refused_by_name(
    llm: LLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS[:20]), "utf-8")
    Path("map.json").write_text(json.dumps(MAP))
    wanted = [[(span.label, span.start) for span in rename(spans)] for spans in llm.tag(TEXTS[:20])]
    command = ["run", "demo", "in.jsonl", "-o", "out.jsonl", "--dtype", "float32"]
    assert main([*command, "--label-map", "map.json", "--coverage-field", "read"]) == 0
    assert "PERSON" in capsys.readouterr().err.splitlines()[-1]
    records = [json.loads(line) for line in Path("out.jsonl").read_text("utf-8").splitlines()]
    assert [record["read"]["complete"] for record in records] == [True] * 20
    rows = [record["spans"] for record in records]
    assert [[(span["label"], span["start"]) for span in row] for row in rows] == wanted
    command += ["--coverage-field", "read"]
    assert main([*command, "--label-map", str(PRESIDIO_LABELS)]) == 2
    assert "another label_map:" in capsys.readouterr().err
    assert main(command) == 2
    assert "another label_map:" in capsys.readouterr().err
    assert main(["tag", "demo", *TEXTS[:20], "--json", "--dtype", "float32", "--label-map", "map.json"]) == 0
    rows = [json.loads(line)["spans"] for line in capsys.readouterr().out.splitlines()]
    assert [[(span["label"], span["start"]) for span in row] for row in rows] == wanted
    assert main(["labels", "demo", "--label-map", "map.json"]) == 0
    types = [NAMES.get(label, label) for label in llm.tagger.names.of_spans if label != "CITY"]
    assert capsys.readouterr().out.splitlines() == list(dict.fromkeys(types))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.toml", None, "none.toml: cannot be read (No such file or directory): name a TOML or JSON file"),
        (".", None, ".: cannot be read (Is a directory): name a TOML or JSON file"),
        ("a.toml", "GIVEN_NAME: PERSON", "a.toml: not TOML: write lines such as"),
        ("a.json", '{"GIVEN_NAME": "PERSON",}', "a.json: not JSON: write lines such as"),
        ("a.json", "[" * 100_000, "a.json: not JSON: write lines such as"),
        ("a.json", '["GIVEN_NAME"]', "label_map must be a dict of types and their names"),
        ("a.toml", '[labels]\nGIVEN_NAME = "PERSON"', "label_map: the model has no type 'labels': choose among GIVEN_"),
        ("a.toml", "GIVEN_NAME = 7", "label_map: the name of 'GIVEN_NAME' must be"),
        ("a.toml", 'PER = "PERSON"', "label_map: the model has no type 'PER': choose among GIVEN_NAME, SURNAME"),
        ("a.json", b"\xff", "a.json: not JSON: write lines such as"),
    ],
)
@pytest.mark.usefixtures("no_engine")
def test_a_map_that_is_none_is_one_line_before_anything_starts(
    name: str,
    content: str | bytes | None,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert main(["tag", "demo", "x", "--label-map", name]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"vtag: {says}")
