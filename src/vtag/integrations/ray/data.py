"""A tagger for `ray.data.Dataset.map_batches`: Arrow in, Arrow out, one engine per actor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from vtag.errors import InputError, error
from vtag.files.chunks import input_of
from vtag.files.parquet import BatchRow, Columns, spans_column
from vtag.files.records import REASONS, Bad, Fields, Record
from vtag.integrations.ray.worker import limit_tokenizer_threads
from vtag.options import DEFAULT_STRATEGY, TagOptions


class TagWorker:
    """Adds two columns to each batch: spans, and the reason why a record has none.

    Spans are lists of structs (start, end, label, score, text), as `vtag run` writes them to Parquet. A record that
    cannot be tagged has null spans, and the reason in `error_field`, which is null otherwise. Offsets are code points.
    All other columns stay unchanged.

        dataset.map_batches(
            TagWorker,
            fn_constructor_kwargs={"model": "demo"},
            batch_format="pyarrow",
            batch_size=2048,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=8),
        )

    Args:
        model: as in `LLM`; a folder must exist on every node.
        text_field: as in `tag_files`.
        words_field: as in `tag_files`.
        spans_field: as in `tag_files`.
        error_field: the column of reasons.
        overwrite_field: as in `tag_files`.
        aggregation_strategy: as in `LLM.tag`.
        ignore_labels: as in `LLM.tag`.
        threshold: as in `LLM.tag`.
        stride: as in `LLM.tag`.
        engine: arguments of `LLM`.

    Raises:
        SettingError: for batches that are not Arrow tables, or that already have these columns.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        text_field: str = "text",
        words_field: str | None = None,
        spans_field: str = "spans",
        error_field: str = "error",
        overwrite_field: bool = False,
        aggregation_strategy: str = DEFAULT_STRATEGY,
        ignore_labels: Sequence[str] = ("O",),
        threshold: float | Mapping[str, float] | None = None,
        stride: int | None = None,
        **engine: Any,
    ) -> None:
        options = TagOptions(aggregation_strategy, ignore_labels, threshold, stride)
        self._fields = Fields(text_field, words_field, spans_field, overwrite=True)
        self._error, self._overwrite = error_field, overwrite_field
        limit_tokenizer_threads()
        from vtag import LLM
        from vtag.model.plan import make_plan

        plan = make_plan(model, **engine)
        self._options = plan.tagger.bind(options)
        self.llm = LLM.of(plan)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """The batch with its spans.

        Args:
            batch: an Arrow table with the field of the texts.

        Raises:
            SettingError: for a batch that is no Arrow table, or that already has these columns.
        """
        if not isinstance(batch, pa.Table):
            raise error("not_arrow", type=type(batch).__name__)
        added = (self._fields.spans, self._error)
        taken = [name for name in added if name in batch.column_names]
        if taken and not self._overwrite:
            raise error("field_taken", path="dataset", field=taken[0])
        records = _records(batch)
        values = [input_of(record, self._fields) for record in records]
        good = [value for value in values if not isinstance(value, Bad)]
        (answered,) = self.llm.answers([good], self._options, words=self._fields.words is not None)
        coming = iter(answered.answers)
        found = [value if isinstance(value, Bad) else next(coming) for value in values]
        spans = [None if isinstance(one, Bad | InputError) else one for one in found]
        errors = [REASONS[_reason(one)] if isinstance(one, Bad | InputError) else None for one in found]
        kept = batch.drop_columns(taken)
        kept = kept.append_column(added[0], spans_column(spans, self._fields.words is not None))
        return kept.append_column(added[1], pa.array(errors, pa.string()))


def _records(batch: pa.Table) -> list[Record]:
    rows: list[Record] = []
    for part in batch.to_batches():
        columns = Columns(part)
        rows += [Record(len(rows) + i + 1, BatchRow(columns, i)) for i in range(part.num_rows)]
    return rows


def _reason(failed: Bad | InputError) -> str:
    return failed.reason if isinstance(failed, Bad) else failed.kind
