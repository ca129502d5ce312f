"""Schemes made for tests, and spans to label ids and back."""

from __future__ import annotations

from collections.abc import Sequence

from vtag.decode.scheme import FAMILIES, Scheme, find, read


def make(name: str, types: Sequence[str]) -> Scheme:
    """The scheme `name` over `types`, with labels as most models spell them: O, B-x, I-x, ..."""
    family = find(name)
    if family.name == "plain":
        return read(dict(enumerate(types)), scheme="plain")
    labels = ["O"] + [f"{prefix}-{kind}" for kind in types for prefix in sorted(family.prefixes)]
    return read(dict(enumerate(labels)), scheme=family.name)


def spans_of(scheme: Scheme, path: Sequence[int]) -> list[tuple[int, int, str]]:
    """Label ids -> `(start, end, type)`, end exclusive. A label that cannot continue the span before it opens one."""
    found: list[tuple[int, int, str]] = []
    previous = -1
    for at, label in enumerate(path):
        if not scheme.outside[label]:
            if previous >= 0 and scheme.joined[previous, label]:
                found[-1] = (found[-1][0], at + 1, scheme.types[label])
            else:
                found.append((at, at + 1, scheme.types[label]))
        previous = label
    return found


def tags_of(scheme: Scheme, spans: Sequence[tuple[int, int, str]], length: int) -> list[int]:
    """Sorted `(start, end, type)` -> label ids, the inverse of `spans_of` (IO cannot separate touching spans)."""
    ids = {(prefix, kind): at for at, (prefix, kind) in enumerate(zip(scheme.prefixes, scheme.types, strict=True))}
    single, first, middle, last = tuple(FAMILIES[scheme.name].spelling)
    letters = ["O"] * length
    kinds = [""] * length
    for start, end, kind in spans:
        kinds[start:end] = [kind] * (end - start)
        letters[start:end] = [first, *middle * (end - start - 2), last] if end - start > 1 else [single]
        if start and kinds[start - 1] == kind:
            if scheme.name == "IOB1":
                letters[start] = "B"
            elif scheme.name == "IOE1":
                letters[start - 1] = "E"
    return [ids[pair] for pair in zip(letters, kinds, strict=True)]
