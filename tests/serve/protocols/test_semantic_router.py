"""`POST /classify` is what vLLM Semantic Router accepts, with the mapping file of `vtag labels`."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import tomllib
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.hostile.test_hostile import GOOD
from tests.parity.checkpoints import build
from tests.serve.clients import Client
from tests.serve.protocols.router import Mapping, RejectedError, accepted
from tests.serve.protocols.test_vtag import CLOSE, TEXTS
from tests.serve.servers import PRESIDIO_LABELS, Server
from vtag.cli.main import main

if TYPE_CHECKING:
    from vtag import LLM

SEED = int(os.environ.get("VTAG_FUZZ_SEED", "2"))


def mapping_of(model: str | Path, *options: str) -> Mapping:
    """What `vtag labels` prints for a model, as the router reads it."""
    out = io.StringIO()
    with redirect_stdout(out):
        assert main(["labels", str(model), "--format", "semantic-router", *options]) == 0
    return Mapping.read(out.getvalue())


@pytest.fixture(scope="module")
def mapping() -> Mapping:
    return mapping_of("demo")


Spans = list[dict[str, Any]]


def classified(server: Server, texts: list[str], mapping: Mapping) -> list[Spans]:
    """The spans of texts, one request each over a few connections, as the router accepts them."""
    headers = {"Accept": "application/json"}
    found: dict[int, Spans] = {}

    async def client(numbers: Iterator[int]) -> None:
        connection = await Client.of(server)
        for number in numbers:
            answer = await connection.post("/classify", {"inputs": texts[number]}, headers)
            found[number] = accepted(answer.status, answer.body, texts[number], mapping, "demo")
            assert answer.headers["x-vtag-complete"] == "true"
        connection.hang_up()

    async def all_texts() -> None:
        numbers = iter(range(len(texts)))
        await asyncio.gather(*(client(numbers) for _ in range(16)))

    asyncio.run(all_texts())
    return [found[number] for number in range(len(texts))]


def fuzzed(make_text: Callable[..., str], count: int, seed: int) -> list[str]:
    """Odd texts, some of them with a gold text within."""
    random_ = random.Random(seed)
    golden = [random_.choice(TEXTS) if random_.random() < 0.1 else "" for _ in range(count)]
    return [make_text(random_, 4) + gold + make_text(random_, 4) for gold in golden]


def test_the_router_accepts_every_answer_and_gets_the_spans_of_llm_tag(
    server: Server, llm: LLM, mapping: Mapping, make_text: Callable[..., str]
) -> None:
    texts = [*TEXTS, *fuzzed(make_text, 400, 1)]
    found = classified(server, texts, mapping)
    for spans, wanted in zip(found, llm.tag(texts), strict=True):
        assert [(span["label"], span["start"], span["end"]) for span in spans] == [
            (span.label, span.start, span.end) for span in wanted
        ]
        assert [span["score"] for span in spans] == pytest.approx([span.score for span in wanted], abs=CLOSE)
    assert sum(map(len, found)) > 500


@pytest.mark.long
def test_the_router_accepts_the_answers_for_5_000_texts(
    server: Server, mapping: Mapping, make_text: Callable[..., str]
) -> None:
    texts = fuzzed(make_text, 5_000, SEED) + list(GOOD.values())
    assert sum(map(len, classified(server, texts, mapping))) > 1_600


def test_under_a_label_map_it_accepts_the_same_spans_by_other_names(renamed: Server, llm: LLM) -> None:
    mapping = mapping_of("demo", "--label-map", str(PRESIDIO_LABELS))
    names = tomllib.loads(PRESIDIO_LABELS.read_text("utf-8"))
    assert mapping.labels == {*names.values(), "URL"}
    for spans, wanted in zip(classified(renamed, TEXTS, mapping), llm.tag(TEXTS), strict=True):
        assert [(span["label"], span["start"]) for span in spans] == [
            (names.get(span.label, span.label), span.start) for span in wanted
        ]


def test_a_text_has_an_envelope_and_a_list_has_one_each_in_its_order(server: Server) -> None:
    texts = ["I'm Marisol Okonkwo.", "", "Dunmere 👩‍👩‍👧 Dunmere"]
    many = server.post("/classify", {"inputs": texts}).json()
    assert [list(envelope) for envelope in many] == [["spans", "model"]] * 3
    spans = [span for envelope in many for span in envelope["spans"]]
    assert [span["text"] for span in spans] == ["Marisol", "Okonkwo", "Dunmere"]
    assert [list(span) for span in spans] == [["label", "score", "text", "start", "end"]] * 3
    for text, envelope in zip(texts, many, strict=True):
        alone = server.post("/classify", {"inputs": text}).json()
        for span in alone["spans"]:
            span["score"] = pytest.approx(span["score"], abs=CLOSE)
        assert envelope == alone
    assert many[1] == {"spans": [], "model": "demo"}
    assert server.post("/classify", {"inputs": []}).json() == []


def test_a_threshold_and_the_model_may_be_named(server: Server, llm: LLM) -> None:
    asked = {"inputs": TEXTS[:50], "parameters": {"threshold": 0.9}, "model": "demo"}
    found = server.post("/classify", asked).json()
    wanted = llm.tag(TEXTS[:50], threshold=0.9)
    assert [len(envelope["spans"]) for envelope in found] == [len(spans) for spans in wanted]
    assert {envelope["model"] for envelope in found} == {"demo"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"spans": None}, "no list"),
        ({"error": "late", "spans": []}, "an error"),
        ({"spans": [], "model": "other"}, "another model"),
        ({"spans": [], "truncated_at": 1}, "to its end"),
        ([{"label": "CITY", "start": 0, "end": 9, "text": "x", "score": 1}], "outside of the text"),
        ([{"label": "CITY", "start": 0, "end": 1, "text": "y", "score": 1}], "not the slice"),
        ([{"label": "TOWN", "start": 0, "end": 1, "text": "x", "score": 1}], "not in the mapping"),
        ([{"label": "O", "start": 0, "end": 1, "text": "x", "score": 1}], "not in the mapping"),
        ([{"label": "S-CITY", "start": 0, "end": 1, "text": "x", "score": 1}], "not in the mapping"),
        ([{"label": "CITY", "start": 0, "end": 1, "text": "x", "score": 1.5}], "a score"),
        ([{"label": "CITY", "start": 0, "end": 1, "text": "x", "score": 1}] * 2, "twice"),
    ],
)
def test_the_rules_reject_what_the_router_rejects(body: Any, why: str, mapping: Mapping) -> None:
    with pytest.raises(RejectedError, match=why):
        accepted(200, json.dumps(body).encode(), "x", mapping, "demo")
    good = [{"label": "B-CITY", "start": 0, "end": 1, "word": "x", "score": 1, "more": 1}]
    assert accepted(200, json.dumps(good).encode(), "x", mapping)[0]["label"] == "CITY"


@pytest.mark.parametrize("labels", [["O", "B-E-MAIL", "I-E-MAIL"], ["O", "classification_error", "PER"]])
def test_labels_that_the_router_cuts_or_reserves_are_refused_in_one_line(
    labels: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = build("bert", tmp_path / "model", seed=0, num_labels=len(labels))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"id2label": dict(enumerate(labels)), "label2id": {}}))
    assert main(["labels", str(model), "--format", "semantic-router"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].endswith("give it another name with --label-map")
    kind = "E-MAIL" if "B-E-MAIL" in labels else "classification_error"
    (tmp_path / "map.json").write_text(json.dumps({kind: "EMAIL"}))
    assert "EMAIL" in mapping_of(model, "--label-map", str(tmp_path / "map.json")).labels
