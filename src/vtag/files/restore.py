"""Put values back into the texts of redacted files: the work of `tag_files`, without a model."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

from vtag.errors import error
from vtag.files.compression import unpacked
from vtag.files.journal import State
from vtag.files.records import Fields, Record, TaggedRecord
from vtag.files.redact import REPLACEMENTS, with_text
from vtag.files.run import Treatment, Watch, run_files
from vtag.options import DEFAULTS, BoundOptions
from vtag.redact import mapping as mappings
from vtag.redact import policy as policies
from vtag.redact.policy import PolicySource
from vtag.redact.restore import Restorer
from vtag.tagger import Tagger
from vtag.types import ChunkAnswers, Coverage, Span

UNREAD = Coverage(0, 0)


def restore_files(
    sources: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    policy: PolicySource = None,
    mapping: str | Path | None = None,
    format: str | None = None,  # noqa: A002
    delimiter: str | None = None,
    text_field: str = "text",
    replacements_field: str = REPLACEMENTS,
    restart: bool = False,
    watch: Watch | None = None,
) -> State:
    """Write records that `redact_files` wrote, or texts made from these, with their values.

    Stops at the first record that cannot be restored.

    Args:
        sources: as in `tag_files`.
        output: as in `tag_files`.
        policy: of the redaction; as in `restore`.
        mapping: the file that `redact_files` wrote: its lines belong to the records in order.
        format: as in `tag_files`.
        delimiter: as in `tag_files`.
        text_field: as in `tag_files`.
        replacements_field: a field that is not written again.
        restart: as in `tag_files`.
        watch: as in `tag_files`.

    Returns:
        The last state, as `tag_files`.

    Raises:
        VtagError: for what ends the run; committed chunks are safe.
    """
    known = None if policy is None else policies.load(policy)
    restorer = Restorer(known, mapped=mapping is not None)
    of_records = Mappings(mapping)
    depends_on = {"mapping": of_records.digest}
    if restorer.key is not None:
        depends_on["redaction key"] = restorer.key.fingerprint

    def row(record: Record, text: str, spans: list[Span], coverage: Coverage) -> TaggedRecord:
        return TaggedRecord(with_text(record, text_field, restorer.restore(text, of_records.take())), spans, coverage)

    state = run_files(
        cast(Any, NoModel()),
        sources,
        output,
        Fields(text_field, spans=None, redacts=True, drops=(replacements_field,)),
        lambda tagger: Treatment(DEFAULTS, row, depends_on, of_records.begin, "record_not_restored"),
        reads=[*policies.files(policy, known), *([] if mapping is None else [mapping])],
        format=format,
        delimiter=delimiter,
        strict=True,
        restart=restart,
        watch=watch,
    )
    of_records.end()
    return state


class NoModel:
    """In the place of an `LLM`: no text has a span."""

    tagger: Tagger | None = None

    def identity(self) -> dict[str, str]:
        """Nothing that its answers depend on."""
        return {}

    def answers(
        self, chunks: Iterable[Sequence[Any]], options: BoundOptions, *, words: bool
    ) -> Generator[ChunkAnswers]:
        """No spans."""
        for chunk in chunks:
            yield ChunkAnswers([[] for _ in chunk], [UNREAD] * len(chunk), 0)


class Mappings:
    """The mappings of consecutive records; all are checked before the first one is used."""

    def __init__(self, path: str | Path | None) -> None:
        self._path = path
        self._lines, self.digest = (0, "") if path is None else mappings.digest(_read(path))
        self._rest: Iterator[dict[str, str]] = iter(())

    def begin(self, state: State) -> None:
        """Go on after the records that are done."""
        if self._path is not None:
            self._rest = islice(_read(self._path), state.records, None)

    def take(self) -> dict[str, str] | None:
        """That of the next record."""
        if self._path is None:
            return None
        found = next(self._rest, None)
        if found is None:
            raise self._other()
        return found

    def end(self) -> None:
        """Raise InputError if there are more."""
        if next(self._rest, None) is not None:
            raise self._other()

    def _other(self) -> Exception:
        return error("mapping_length", path=self._path, lines=self._lines)


def _read(path: str | Path) -> Iterator[dict[str, str]]:
    try:
        with open(path, "rb") as file:
            yield from mappings.read(unpacked(file, str(path)), path)
    except (OSError, EOFError) as cause:
        raise error("mapping_unreadable", path=path, reason=getattr(cause, "strerror", None) or "damaged") from cause
