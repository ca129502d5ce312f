"""What becomes of workers that die, do not start, or find no place."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle

from tests.checkpoints import in_hub_cache
from tests.integrations.ray.nodes import Nodes
from vtag import LLM
from vtag.errors import EngineError, InputError
from vtag.integrations.ray import Cluster, pool
from vtag.integrations.ray.worker import Worker
from vtag.options import BoundOptions

DEADLY = "Ann lives at 1 Deadly Road."
CHUNKS = [["I am Ann Smith.", "I am Bob."], ["Call Tom Jones.", DEADLY, "", "I am Eve Brown."], [], ["I am Jo."]]


class Mortal(Worker):
    """Dies of a text."""

    def tag(self, texts: Sequence[Any], options: BoundOptions, words: bool) -> Any:
        if DEADLY in texts:
            os._exit(1)
        return super().tag(texts, options, words)


class Stillborn(Worker):
    """Dies while it starts."""

    def start(self, model: str, engine: Mapping[str, Any]) -> Any:
        os._exit(1)


class NoSpace(Worker):
    """Finds its disk full."""

    def start(self, model: str, engine: Mapping[str, Any]) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere")


class OtherVersion(Worker):
    """Has another torch than the driver."""

    def start(self, model: str, engine: Mapping[str, Any]) -> Any:
        return {"torch": "1.0"}, "a processor"


@pytest.fixture(autouse=True)
def by_value() -> None:
    """Actors get the classes themselves: they need not find this file."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])


def answers_of(tagger: Cluster | LLM) -> list[Any]:
    return [chunk.answers for chunk in tagger.answers(CHUNKS)]


def close_to(answers: list[Any]) -> list[Any]:
    """These answers, with scores as texts may have them that were packed with others."""
    return [[replace(span, score=pytest.approx(span.score, abs=1e-4)) for span in spans] for spans in answers]


@pytest.mark.long
def test_a_text_of_which_its_process_dies_costs_itself_alone(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "Worker", Mortal)
    found: list[Any] = [
        chunk.answers for chunk in Cluster("demo", address=nodes.address, dtype="float32").answers(CHUNKS)
    ]
    with LLM("demo", dtype="float32") as llm:
        wanted: list[Any] = [chunk.answers for chunk in llm.answers(CHUNKS)]
    lost = found[1][1]
    assert isinstance(lost, InputError)
    assert lost.kind == "kills_process"
    assert "Deadly" not in str(lost)
    found[1][1] = wanted[1][1] = []
    assert found[1] == close_to(wanted[1])
    assert (found[0], found[2], found[3]) == (wanted[0], wanted[2], wanted[3])


@pytest.mark.long
def test_workers_have_the_label_map_and_tell_how_texts_were_read(nodes: Nodes) -> None:
    label_map = {"GIVEN_NAME": "PERSON", "SURNAME": ""}
    found = list(Cluster("demo", address=nodes.address, dtype="float32", label_map=label_map).answers(CHUNKS))
    with LLM("demo", dtype="float32", label_map=label_map) as llm:
        wanted = list(llm.answers(CHUNKS))
    assert [chunk.answers for chunk in found] == [close_to(chunk.answers) for chunk in wanted]
    assert [chunk.coverage for chunk in found] == [chunk.coverage for chunk in wanted]
    labels = [span.label for chunk in wanted for spans in chunk.answers if isinstance(spans, list) for span in spans]
    assert "PERSON" in labels
    assert "SURNAME" not in labels


@pytest.mark.parametrize(
    ("worker", "kind", "says"),
    [
        (Stillborn, "workers_die", "die while they start"),
        (NoSpace, "node_failed", "127.0.0.2: No space left on device"),
        (OtherVersion, "node_differs", "has another model and another vtag and another"),
    ],
)
def test_workers_that_do_not_start_end_the_run_with_the_name_of_their_node(
    worker: type[Worker], kind: str, says: str, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "Worker", worker)
    with pytest.raises(EngineError, match=says) as caught:
        next(Cluster("demo", address=nodes.address).answers([["I am Ann."]]))
    assert caught.value.kind == kind
    assert "node 127.0.0.2" in str(caught.value)


@pytest.mark.long
def test_a_node_without_the_model_is_named(nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver has it in its cache of the hub, the node has not, and no network."""
    in_hub_cache(tmp_path, "someone/tagger")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EngineError) as caught:
        next(Cluster("someone/tagger", address=nodes.address).answers([["I am Ann."]]))
    assert str(caught.value).startswith("node 127.0.0.2: someone/tagger: ")


def test_without_room_for_a_worker_it_says_so_and_at_last_gives_up(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "SAY_SECONDS", 1)
    monkeypatch.setattr(pool, "GIVE_UP_SECONDS", 3)
    said: list[str] = []
    cluster = Cluster("demo", address=nodes.address, cpus=64, notify=said.append)
    with pytest.raises(EngineError, match="no node of the cluster has 64 CPU free for a worker: add nodes"):
        next(cluster.answers([["I am Ann."]]))
    assert said == ["waiting: no node of the cluster has 64 CPU free for a worker"]
