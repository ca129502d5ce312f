"""Parquet, by Arrow: row groups are streamed, and the input's columns keep their types."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from vtag.errors import error
from vtag.files.jsonl import dumps
from vtag.files.records import DamagedError, Fields, Record, TaggedRecord, has_surrogate, path_of, value_at
from vtag.types import Span

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as cause:
    raise error("files_missing", what="Parquet") from cause

ROWS = 1024  # read at once
# Limits of the output's row groups: rows, and bytes in memory.
GROUP_ROWS, GROUP_BYTES = 1 << 16, 1 << 26
REPLACEMENTS = pa.list_(
    pa.struct(
        [(name, pa.int64()) for name in ("start", "end", "old_start", "old_end")]
        + [(name, pa.string()) for name in ("label", "action")]
    )
)
COVERAGE = pa.struct([("tokens", pa.int64()), ("windows", pa.int64()), ("complete", pa.bool_())])


def read(file: BinaryIO, after: int) -> Iterator[Record]:
    """The records after row `after`."""
    try:
        parquet = pq.ParquetFile(file)
        if len(set(parquet.schema_arrow.names)) < len(parquet.schema_arrow.names):
            raise error("bad_header", file=getattr(file, "name", "-"))
        number = 0
        for group in range(parquet.num_row_groups):
            rows = parquet.metadata.row_group(group).num_rows
            if number + rows <= after:
                number += rows
                continue
            for batch in map(_without_views, parquet.iter_batches(ROWS, row_groups=[group])):
                columns, size = Columns(batch), batch.nbytes // max(batch.num_rows, 1)
                for i in range(batch.num_rows):
                    number += 1
                    if number > after:
                        yield Record(number, BatchRow(columns, i), (batch, i), size)
    except (pa.ArrowException, OSError) as cause:  # Arrow's own exceptions have no errno
        if isinstance(cause, OSError) and cause.errno is not None:
            raise
        raise DamagedError from cause


def columns(file: BinaryIO) -> dict[str, Any]:
    """The names and the types of the fields."""
    try:
        schema = _without_views(pq.read_schema(file).empty_table()).schema
    except pa.ArrowException as cause:
        raise DamagedError from cause
    return dict(zip(schema.names, schema.types, strict=True))


def _without_views(table: Any) -> Any:
    """A batch or a table with views as plain columns, which all of Arrow's functions support."""
    fields = [field.with_type(_stored(field.type, dictionaries=True)) for field in table.schema]
    schema = pa.schema(fields, metadata=table.schema.metadata)
    return table if schema.equals(table.schema) else table.cast(schema)


class Columns:
    """The columns of a batch as Python lists, converted on first use."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch
        self.names = dict.fromkeys(batch.schema.names)
        self.lists: dict[str, list[Any]] = {}

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self.lists:
            self.lists[name] = _python(self.batch.column(name))
        return self.lists[name]


class BatchRow(Mapping[str, Any]):
    """One row of a batch."""

    def __init__(self, columns: Columns, row: int) -> None:
        self._columns, self._row = columns, row

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise KeyError(name)
        return self._columns[name][self._row]

    def __contains__(self, name: object) -> bool:
        return name in self._columns.names

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns.names)

    def __len__(self) -> int:
        return len(self._columns.names)


def _python(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":  # finer than Python's datetime
        return [text and text.replace(" ", "T", 1) for text in column.cast(pa.string()).to_pylist()]
    try:
        return list(column.to_pylist())
    except ValueError:  # text that is not UTF-8, or a value without a Python type
        return [_scalar(value) for value in column]


def _scalar(value: Any) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return value.as_buffer().to_pybytes()
    except ValueError:
        return str(value)


class Writer:
    """The spans as a list of structs in a column after the others. Each chunk is a file of its own, until `join`."""

    def __init__(self, fields: Fields, begun: Path | None = None) -> None:
        self._fields = fields

    def refuses(self, record: Record) -> None:
        """Nothing: `join` finds a type for every column."""

    def encode(self, rows: Sequence[TaggedRecord]) -> bytes:
        """These rows as a file."""
        tables = [_table(part, self._fields) for part in _runs([row.record for row in rows])]
        tables = [table.select([n for n in table.column_names if n not in self._fields.left_out]) for table in tables]
        return self._file(_stacked(tables), rows)

    def empty(self, columns: Mapping[str, Any]) -> bytes:
        """A file without rows; columns without a type become text."""
        fields = [pa.field(name, kind or pa.string()) for name, kind in columns.items()]
        fields = [field for field in fields if field.name not in self._fields.left_out]
        return self._file(pa.schema(fields).empty_table(), [])

    def _file(self, table: pa.Table, rows: Sequence[TaggedRecord]) -> bytes:
        for name, column in _added(rows, self._fields).items():
            table = table.append_column(pa.field(name, column.type), column)
        out = io.BytesIO()
        pq.write_table(table, out)
        return out.getvalue()


def _added(rows: Sequence[TaggedRecord], fields: Fields) -> dict[str, pa.Array]:
    """The columns that are added, by name."""
    found: list[Any] = [row.spans for row in rows]
    spans = pa.array([[each.to_dict() for each in of_row] for of_row in found], REPLACEMENTS)
    if not fields.redacts:
        spans = spans_column(found, fields.words is not None)
    coverage = pa.array([row.coverage.to_dict() for row in rows], COVERAGE)
    values = {fields.spans: spans, fields.coverage: coverage}
    return {name: values[name] for name in fields.written}


def join(parts: Sequence[Path], out: BinaryIO, fields: Fields) -> None:
    """Join all parts to one file. A column without a common type is written as JSON."""
    as_json: set[str] = set()
    added = pa.schema([(name, column.type) for name, column in _added([], fields).items()])
    schemas = [pq.read_schema(part) for part in parts] or [added]
    while True:
        schema = _common(schemas, as_json, last=fields.written)
        out.seek(0)
        out.truncate()
        try:
            with pq.ParquetWriter(out, schema) as writer:
                group: list[pa.Table] = []
                for part in parts:
                    group.append(_as(pq.read_table(part), schema))
                    if sum(t.num_rows for t in group) >= GROUP_ROWS or sum(t.nbytes for t in group) >= GROUP_BYTES:
                        writer.write_table(pa.concat_tables(group), row_group_size=GROUP_ROWS)
                        group = []
                if group:
                    writer.write_table(pa.concat_tables(group), row_group_size=GROUP_ROWS)
            return
        except MixedColumnError as mixed:
            as_json.add(str(mixed))


class MixedColumnError(Exception):
    """A column, by name, whose values do not fit its common type."""


# Marks a column of JSON, whose values have no common Arrow type.
JSON = {b"vtag": b"json"}


def _runs(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Consecutive rows from one batch, or from files of other formats."""
    run: list[Record] = []
    for record in records:
        if run and _batch(run[0]) is not _batch(record):
            yield run
            run = []
        run.append(record)
    if run:
        yield run


def _batch(record: Record) -> pa.RecordBatch | None:
    return record.source[0] if isinstance(record.source, tuple) else None


def _table(records: Sequence[Record], written: Fields) -> pa.Table:
    batch = _batch(records[0])
    if batch is not None:
        table = pa.Table.from_batches([batch]).take(pa.array([record.source[1] for record in records], pa.int64()))
        return _with_texts(table, records, written.text) if written.redacts else table
    columns = [_column(name, [r.fields.get(name) for r in records]) for name in _names(r.fields for r in records)]
    return pa.Table.from_arrays([array for _, array in columns], schema=pa.schema([field for field, _ in columns]))


def _with_texts(table: pa.Table, records: Sequence[Record], name: str) -> pa.Table:
    """The table with the records' own values of a field."""
    path = path_of(records[0].fields, name)
    at = table.column_names.index(path[0])
    texts = [value_at(record.fields, path) for record in records]
    column = _with_child(table.column(at).combine_chunks(), path[1:], texts)
    return table.set_column(at, table.schema.field(at), column)


def _with_child(column: pa.Array, path: Sequence[str], values: list[Any]) -> pa.Array:
    """The column, or of a column of structs the child at a path, with other values of the same type."""
    if not path:
        return pa.array(values, column.type)
    children = column.flatten()
    at = column.type.get_field_index(path[0])
    children[at] = _with_child(children[at], path[1:], values)
    return pa.StructArray.from_arrays(children, fields=list(column.type), mask=column.is_null())


def _names(of: Any) -> list[str]:
    """Names in the order of their first occurrence."""
    return list(dict.fromkeys(name for names in of for name in names))


def _column(name: str, values: list[Any]) -> tuple[pa.Field, pa.Array]:
    name = name.encode(errors="backslashreplace").decode()
    try:
        array = pa.array(values)
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        array = None
    if array is None or not _has_fields(array.type):
        return pa.field(name, pa.string(), metadata=JSON), _json(values)
    return pa.field(name, array.type), array


def _has_fields(kind: pa.DataType) -> bool:
    """Parquet has no structs without fields."""
    children = [kind.field(i).type for i in range(kind.num_fields)]
    return not (pa.types.is_struct(kind) and not children) and all(map(_has_fields, children))


def _json(values: Sequence[Any]) -> pa.Array:
    texts = [None if value is None else dumps(value) for value in values]
    if any(text is not None and has_surrogate(text) for text in texts):
        texts = [None if value is None else json.dumps(value) for value in values]
    return pa.array(texts, pa.string())


def _stacked(tables: Sequence[pa.Table]) -> pa.Table:
    as_json: set[str] = set()
    while True:
        schema = _common([table.schema for table in tables], as_json)
        try:
            return pa.concat_tables([_as(table, schema) for table in tables])
        except MixedColumnError as mixed:
            as_json.add(str(mixed))


def _common(schemas: Sequence[pa.Schema], as_json: set[str], last: Sequence[str] = ()) -> pa.Schema:
    """One schema for all parts, with `last` after the other columns."""
    # Most are equal, and a long run has tens of thousands.
    schemas = list({schema.to_string(show_schema_metadata=False): schema for schema in schemas}.values())
    names = _names(schema.names for schema in schemas)
    names = [name for name in names if name not in last] + list(last)
    fields = [_field(name, [s.field(name) for s in schemas if name in s.names], as_json) for name in names]
    return pa.schema(fields, metadata=schemas[0].metadata)


def _field(name: str, fields: Sequence[pa.Field], as_json: set[str]) -> pa.Field:
    if name not in as_json and not any(_is_json(field) for field in fields):
        for same in (fields, [field.with_type(_stored(field.type)) for field in fields]):
            try:
                schemas = [pa.schema([field.with_nullable(True)]) for field in same]
                return pa.unify_schemas(schemas, promote_options="permissive").field(0)
            except pa.ArrowException:
                continue
    return pa.field(name, pa.string(), metadata=JSON)


def _stored(kind: pa.DataType, dictionaries: bool = False) -> pa.DataType:
    """The type for storing the same values: no views and, except in `dictionaries`, no dictionaries."""
    if pa.types.is_dictionary(kind) and not dictionaries:
        return _stored(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_stored(kind.value_type, dictionaries)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_stored(kind.value_type, dictionaries)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_stored(field.type, dictionaries)) for field in kind])
    return kind


def _is_json(field: pa.Field) -> bool:
    return bool((field.metadata or {}).get(b"vtag") == b"json")


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table under another schema: columns are cast, written as JSON, or filled with nulls."""
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column, is_json = table.column(field.name), _is_json(table.schema.field(field.name))
        if _is_json(field) and not is_json:
            column = _json(column.to_pylist())
        elif column.type != field.type:
            try:
                column = column.cast(field.type)
            except pa.ArrowException as cause:
                raise MixedColumnError(field.name) from cause
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def spans_column(rows: Sequence[Sequence[Span] | None], words: bool) -> pa.Array:
    """list<struct<start: int64, end: int64, label: string, score: double, text: string>>; `words` as another field."""
    flat = [span for row in rows for span in row or ()]
    columns = {
        "start": pa.array([span.start for span in flat], pa.int64()),
        "end": pa.array([span.end for span in flat], pa.int64()),
        "label": pa.array([span.label for span in flat], pa.string()),
        "score": pa.array([span.score for span in flat], pa.float64()),
        "text": pa.array([span.text for span in flat], pa.string()),
    }
    if words:
        columns["words"] = pa.array([span.words for span in flat], pa.list_(pa.int64()))
    ends = [0]
    for row in rows:
        ends.append(ends[-1] + len(row or ()))
    structs = pa.StructArray.from_arrays(list(columns.values()), names=list(columns))
    missing = pa.array([row is None for row in rows], pa.bool_()) if None in rows else None
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), structs, mask=missing)
