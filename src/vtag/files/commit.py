"""An output with its errors file and its journal, written in an order that allows a stop at any moment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from vtag.errors import error
from vtag.files import formats
from vtag.files.inputs import STDIN
from vtag.files.journal import Journal, State
from vtag.files.jsonl import dumps
from vtag.files.records import Fields, TaggedRecord, Writer
from vtag.files.store import Appended, Parts, Pipe, Store, beside
from vtag.redact import mapping as mappings


class Target:
    """The output of a run: `open` it, `commit` chunk after chunk, `finish`.

    mapping: a file for the mappings of the rows, a line each.
    files: the output, its journal, its errors, the folder of its parts and the mapping; for stdout the mapping alone.
    resumes: whether there is a journal; not for stdout.
    state: what is committed.
    writer: converts records with their spans to bytes; set from `open` on, unless the run is complete.
    """

    writer: Writer

    def __init__(self, output: str, fields: Fields, mapping: str | Path | None = None) -> None:
        self._name, self._fields = output, fields
        self._mapping_path = None if mapping is None else Path(mapping)
        self._mapping = Appended(self._mapping_path, mode=0o600) if self._mapping_path else None
        self._journal: Journal | None = None
        self.state = State()
        self.files: tuple[Path, ...] = () if self._mapping_path is None else (self._mapping_path,)
        self.resumes = output != STDIN
        self.kind = "jsonl"
        self._store: Store = Pipe(sys.stdout.buffer)
        self._errors: Store = Pipe(sys.stderr.buffer)
        if not self.resumes:
            return
        path = Path(output)
        own = tuple(beside(path, end) for end in ("", ".journal", ".errors.jsonl", ".parts"))
        if self._mapping_path is not None and self._mapping_path.resolve() in [file.resolve() for file in own]:
            raise error("mapping_is_output", path=mapping)
        self.files = own + self.files
        self.kind = formats.output(path.name)
        join = formats.joiner(self.kind)
        joined = partial(join, fields=fields) if join else None
        self._store = Parts(path, self.files[3], joined) if joined else Appended(path)
        self._errors = Appended(self.files[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._journal is not None:
            self._journal.close()

    def open(self, key: Mapping[str, str] | None, *, restart: bool = False) -> State:
        """Continue an earlier run with this key, or begin. Without a key there is no journal."""
        with self._writing():
            if self.resumes:
                self._resume(key, restart)
            elif not restart:
                self._refuse_existing()
            if not self.state.done:
                self._store.resume(self.state.size)
                self._errors.resume(self.state.errors_size)
                if self._mapping:
                    self._mapping.resume(self.state.mapping_size)
                begun = self.files[0] if self.state.size else None
                self.writer = formats.writer(self.kind)(self._fields, begun=begun)
        return self.state

    def commit(self, state: State, rows: Sequence[TaggedRecord], errors: Sequence[Mapping[str, Any]]) -> State:
        """Write a chunk, wait for the disk, and only then add it to the journal; `state` is the end of the chunk."""
        with self._writing():
            if self._mapping and rows:
                first = self.state.records - self.state.failures + 1
                mapped = mappings.lines([row.mapping or {} for row in rows], first)
                state = replace(state, mapping_size=self._mapping.write(mapped))
            if rows:
                state = replace(state, size=self._store.write(self.writer.encode(rows)))
            if errors:
                lines = "".join(dumps(line) + "\n" for line in errors).encode(errors="backslashreplace")
                state = replace(state, errors_size=self._errors.write(lines))
            self._say(state)
        return state

    def finish(self, columns: Callable[[], Mapping[str, Any]]) -> State:
        """Finish after the last chunk. `columns`: of the inputs, for an output without records."""
        with self._writing():
            if self.resumes and not self.state.size:
                self._store.write(self.writer.empty(columns()))
            self._store.finish()
            if self._mapping:
                self._mapping.finish()
            self._say(replace(self.state, done=True))
            self._store.clean()
        return self.state

    def _resume(self, key: Mapping[str, str] | None, restart: bool) -> None:
        output, journal = self.files[:2]
        if not restart and (key is None or not journal.exists()):
            self._refuse_existing()
        if key is None:
            return
        self._journal = Journal(journal, self._name)
        if restart or self._journal.key is None:
            if not restart:
                self._refuse_existing()
            self._journal.begin(key)
            output.unlink(missing_ok=True)
        elif others := self._journal.differs(key):
            raise error("another_run", output=self._name, what=" and another ".join(others[:3]))
        self.state = self._journal.state
        if self.state.done:
            if not output.exists():
                raise error("output_lost", path=self._name)
            self._store.clean()

    def _refuse_existing(self) -> None:
        for path in (*self.files[:1], self._mapping_path):
            if path is not None and path.exists():
                raise error("output_exists", output=path)

    def _say(self, state: State) -> None:
        if self._journal is not None:
            self._journal.add(state)
        self.state = state

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as cause:
            why = cause.strerror or type(cause).__name__
            if not self.resumes:
                raise error("stdout_failed", reason=why) from cause
            raise error("output_failed", output=self._name, reason=why) from cause
