"""`TagWorker`: with Ray Data over JSON Lines and Parquet, and by itself on batches that are hard."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from tests.integrations.ray.nodes import Nodes
from vtag import LLM
from vtag.errors import VtagError
from vtag.integrations.ray import TagWorker
from vtag.types import Span

DOCS = Path(__file__).parents[3] / "docs" / "guides" / "ray.md"
GOLD = Path(__file__).parents[2] / "data" / "pii_synth_gold.jsonl"
TEXTS = [json.loads(line)["text"] for line in GOLD.read_text("utf-8").splitlines()][:60]
SPANS = pa.list_(
    pa.struct(
        {
            "start": pa.int64(),
            "end": pa.int64(),
            "label": pa.string(),
            "score": pa.float64(),
            "text": pa.string(),
        }
    )
)
# Ray Data warns of its own settings.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")


@pytest.fixture(scope="module")
def worker() -> TagWorker:
    return TagWorker("demo", threshold=0.5)


@pytest.fixture(scope="module")
def llm(worker: TagWorker) -> LLM:
    return worker.llm


def close_to(spans: list[Span]) -> list[dict[str, Any]]:
    """These spans, with scores as texts may have them in bf16 that share a batch with others."""
    return [{**span.to_dict(), "score": pytest.approx(span.score, abs=0.02)} for span in spans]


def test_a_batch_comes_back_with_spans_and_errors_and_all_else_as_it_was(worker: TagWorker, llm: LLM) -> None:
    texts = [None, *TEXTS[:5], "", None, *TEXTS[5:9]]
    more = pa.array([{"a": [i, None]} for i in range(len(texts))])
    batch = pa.table({"id": pa.array(range(len(texts)), pa.uint8()), "text": pa.array(texts), "more": more})
    tagged = worker(batch)
    assert tagged.column_names == ["id", "text", "more", "spans", "error"]
    assert tagged.select(["id", "text", "more"]).equals(batch)
    assert tagged.schema.field("spans").type == SPANS
    good = [text for text in texts if text is not None]
    found = iter(llm.tag(good, threshold=0.5, use_tqdm=False))
    wanted = [None if text is None else [span.to_dict() for span in next(found)] for text in texts]
    assert tagged.column("spans").to_pylist() == wanted
    said = [None if text is not None else "the text is not a string" for text in texts]
    assert tagged.column("error").to_pylist() == said


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        ({"text": [1, 2]}, "the text is not a string"),
        ({"text": [None, None]}, "the text is not a string"),
        ({"other": ["I am Ann.", None]}, "the text's field is missing"),
        ({"text": [b"\xff", b"\xfe"]}, "the text is not a string"),
    ],
)
def test_a_batch_of_nothing_but_bad_records_is_all_errors(
    worker: TagWorker, batch: dict[str, Any], reason: str
) -> None:
    tagged = worker(pa.table(batch))
    assert tagged.column("spans").to_pylist() == [None, None]
    assert tagged.column("error").to_pylist() == [reason, reason]
    assert tagged.schema.field("spans").type == SPANS


def test_an_empty_batch_has_the_same_columns(worker: TagWorker) -> None:
    tagged = worker(pa.table({"text": pa.array([], pa.string())}))
    assert tagged.num_rows == 0
    assert tagged.schema.field("spans").type == SPANS


@pytest.mark.parametrize(
    ("batch", "kind"),
    [({"text": ["I am Ann."]}, "not_arrow"), (pa.table({"text": ["I am Ann."], "spans": [1]}), "field_taken")],
)
def test_batches_that_cannot_be_meant_are_refused(worker: TagWorker, batch: Any, kind: str) -> None:
    with pytest.raises(VtagError) as caught:
        worker(batch)
    assert caught.value.kind == kind


@pytest.fixture
def joined(nodes: Nodes) -> Iterator[None]:
    """This process is a driver of a cluster with room for two workers."""
    second = nodes.add()
    ray.init(address=nodes.address, logging_level=logging.ERROR, log_to_driver=False)
    yield
    ray.shutdown()
    nodes.kill(second)


@pytest.mark.long
def test_the_recipe_tags_json_lines_and_parquet_in_order(joined: None, llm: LLM, tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert code is not None
    read = 'read_json("texts.jsonl", lines=True'
    assert read in code[1]
    rows = [{"id": i, "text": text, "more": {"a": [i, None]}} for i, text in enumerate(TEXTS)]
    rows[7]["text"] = None
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "texts.parquet", row_group_size=20)
    rows[31]["text"] = 31  # a column of mixed values, which Parquet has not
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    for name, reader in (("texts.jsonl", "read_json(PATH, lines=True"), ("texts.parquet", "read_parquet(PATH")):
        names = {"PATH": str(tmp_path / name), "TAGGED": str(tmp_path / f"{name}-tagged")}
        exec(code[1].replace(read, reader).replace('"tagged"', "TAGGED"), names)
        rows[31]["text"] = 31 if "json" in name else TEXTS[31]
        found = pq.read_table(names["TAGGED"]).to_pylist()
        assert [{key: row[key] for key in ("id", "text", "more")} for row in found] == rows
        bad = [i for i, row in enumerate(rows) if not isinstance(row["text"], str)]
        assert [i for i, row in enumerate(found) if row["error"] == "the text is not a string"] == bad
        assert [i for i, row in enumerate(found) if row["error"] is not None or row["spans"] is None] == bad
        good = [i for i in range(len(rows)) if i not in bad]
        for i, spans in zip(good, llm.tag([TEXTS[i] for i in good], threshold=0.5, use_tqdm=False), strict=True):
            assert found[i]["spans"] == close_to(spans)
