"""Tag schemes: what a model's label names mean, and which label may follow which.

All schemes are expressed in five canonical prefixes: O outside, B begin, I inside, E end, S single. BILOU's L and U,
BMES's M and BMEWO's W are other spellings of E, S, I and S.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vtag.errors import error


@dataclass(frozen=True, slots=True)
class Family:
    """One scheme.

    opens, closes: prefixes that a span may start and end with, whatever its neighbours are.
    joined: pairs of prefixes that belong to one span when their types are equal.
    touching: further pairs that are legal only between two spans of equal type (IOB1's B, IOE1's E).
    spelling: how a span is written: the prefix of a single word, then those of the first, middle and last word.
    """

    name: str
    aliases: tuple[str, ...]
    opens: str
    closes: str
    joined: str
    spelling: str
    touching: str = ""

    @property
    def prefixes(self) -> set[str]:
        """The prefixes that occur in this scheme."""
        return set(self.spelling + self.touching) - {" "}


# S, a span of one word, is legal next to anything in every scheme; plain tags (POS) are S only.
FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("plain", ("POS",), "S", "S", "", "SSSS"),
        Family("IO", (), "I", "I", "II", "IIII"),
        Family("IOB1", (), "I", "BI", "BI II", "IIII", "IB BB"),
        Family("IOB2", ("BIO", "IOB"), "B", "BI", "BI II", "BBII"),
        Family("IOE1", (), "IE", "I", "II IE", "IIII", "EI EE"),
        Family("IOE2", ("IOE",), "IE", "E", "II IE", "EIIE"),
        Family("BIOE", ("BIE",), "B", "BE", "BI BE II IE", "BBIE"),
        Family("BIOES", ("IOBES", "BILOU", "BILUO", "BIOUL", "BMES", "BMEWO"), "BS", "ES", "BI BE II IE", "SBIE"),
    )
}

_CANONICAL = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
# Labels of padding, special tokens and continuation tokens in older CoNLL models: never a span.
_OUTSIDE = {"O", "X", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "<PAD>", "<UNK>", "PAD", "<S>", "</S>", "<START>", "<STOP>"}
_SEPARATORS = "-_.:/| "
# Label sets that contain one of these, in the spelling of Universal Dependencies or of the Penn Treebank, are parts of
# speech.
_PARTS_OF_SPEECH = ({"NOUN", "VERB", "ADJ"}, {"NN", "VB", "JJ"})
# The type of spans whose labels are bare prefixes ("B", "I", "O").
BARE_TYPE = "ENTITY"


@dataclass(frozen=True, slots=True, eq=False)
class Scheme:
    """The parsed labels of a model. L labels.

    name: a key of FAMILIES.
    labels: the names as the model has them.
    prefixes, types: the canonical prefix and the type of each label ("" outside).
    type_ids: int32 [L], equal numbers for equal types, -1 outside.
    start, end: bool [L], may be first, may be last.
    transition: bool [L, L], `transition[p, q]`: q may follow p.
    joined: bool [L, L], `joined[p, q]`: q continues the span of p.
    """

    name: str
    labels: tuple[str, ...]
    prefixes: tuple[str, ...]
    types: tuple[str, ...]
    type_ids: np.ndarray
    start: np.ndarray
    end: np.ndarray
    transition: np.ndarray
    joined: np.ndarray

    @property
    def outside(self) -> np.ndarray:
        """bool [L], labels without a span."""
        return self.type_ids < 0

    @property
    def span_labels(self) -> list[str]:
        """The possible labels of spans: each type once, in the order of the labels."""
        return list(dict.fromkeys(kind for kind in self.types if kind))

    def describe(self) -> str:
        """One line for people: the scheme and the types."""
        types = self.span_labels
        shown = ", ".join(types[:12]) + (f" and {len(types) - 12} more" if len(types) > 12 else "")
        unit = "one label a word" if self.name == "plain" else f"prefixes {''.join(sorted(set(self.prefixes)))}"
        return f"{self.name} ({unit}; {len(self.labels)} labels, {len(types)} types): {shown}"


def find(name: str) -> Family:
    """The scheme with this name or alias, in any case."""
    for family in FAMILIES.values():
        if str(name).upper() in (family.name.upper(), *family.aliases):
            return family
    names = [spelled for family in FAMILIES.values() for spelled in (family.name, *family.aliases)]
    raise error("unknown_scheme", scheme=name, names=", ".join(names))


def read(id2label: Mapping[int, str], scheme: str | None = None) -> Scheme:
    """Detect the scheme from the label names, or parse the labels by the scheme that the caller names."""
    labels = tuple(id2label[at] for at in range(len(id2label)))
    wanted = None if scheme is None else find(scheme)
    if wanted is not None and wanted.name == "plain":
        return _build(wanted, labels, [("O", "") if label in ("O", "o") else ("S", label) for label in labels])
    parts = _split(labels, sure=wanted is not None)
    if parts is None:
        prefix = "I" if _runs(labels, wanted) else "S"
        parts = [("O", "") if label in ("O", "o") else (prefix, label) for label in labels]
    family = wanted or _family(parts)
    if wanted is not None:
        strange = {prefix for prefix, _ in parts} - wanted.prefixes - {"O", "S"}
        if strange or ("S" in {p for p, _ in parts} and _is_split(labels, parts) and "S" not in wanted.prefixes):
            raise error("scheme_mismatch", scheme=scheme, prefixes=", ".join(sorted({p for p, _ in parts})))
    if family.name != "plain":  # a bare type beside prefixed ones: it spans all consecutive words with it
        parts = [("I", kind) if kind == label else (p, kind) for label, (p, kind) in zip(labels, parts, strict=True)]
    return _build(family, labels, parts)


def single_type_scheme(scheme: Scheme, kind: str) -> tuple[Scheme, np.ndarray]:
    """The scheme of one type and "outside", label 0; and the labels of `scheme` that its other labels stand for.

    For multi-label heads; a bare type spans all consecutive words with it.
    """
    columns = np.array([at for at, found in enumerate(scheme.types) if found == kind])
    plain = scheme.name == "plain"
    parts = [("O", ""), *(("I" if plain else scheme.prefixes[at], kind) for at in columns)]
    labels = ("O", *(scheme.labels[at] for at in columns))
    return _build(FAMILIES["IO"] if plain else FAMILIES[scheme.name], labels, parts), columns


def _runs(labels: tuple[str, ...], wanted: Family | None) -> bool:
    """Whether bare types span runs of words, and do not label each word (part of speech, punctuation after a word)."""
    if wanted is not None:
        return wanted.name == "IO"
    named = {label.upper() for label in labels} - {"O"}
    speech = any(tags <= named for tags in _PARTS_OF_SPEECH)
    return len(named) < len(labels) and not speech and any(map(str.isalnum, "".join(named)))


def _is_split(labels: tuple[str, ...], parts: list[tuple[str, str]]) -> bool:
    """Whether some S was spelled as a prefix, and does not come from a label without one."""
    return any(prefix == "S" and kind != label for label, (prefix, kind) in zip(labels, parts, strict=True))


def _split(labels: tuple[str, ...], sure: bool) -> list[tuple[str, str]] | None:
    """Labels -> (canonical prefix, type), or None where the set as a whole has no prefixes."""
    named = [label for label in labels if label.upper() not in _OUTSIDE]
    bare = {label.upper() for label in named}
    if "B" in bare and len(bare) > 1 and bare <= set(_CANONICAL):
        return [(_CANONICAL.get(label.upper(), "O"), BARE_TYPE if label in named else "") for label in labels]
    has_outside = any(label in ("O", "o") for label in labels)
    for pattern, rare in _patterns():
        read = {label: match for label in named if (match := pattern.fullmatch(label))}
        pairs = {label: (_CANONICAL[match["prefix"].upper()], match["type"]) for label, match in read.items()}
        pairs = _of_one_family(pairs)
        if (
            pairs
            and len(set(pairs.values())) == len(pairs)
            and _convinces(pairs, named, has_outside, rare=rare, sure=sure)
        ):
            rest = {label for label in named if label not in pairs}
            # The only label without a prefix is "outside" in another spelling: OUT, 0, None.
            if len(rest) == 1 and not has_outside and not rest & {kind for _, kind in pairs.values()}:
                named = []
            return [pairs.get(label, ("S", label) if label in named else ("O", "")) for label in labels]
    return None


def _patterns() -> list[tuple[re.Pattern[str], bool]]:
    """Patterns of prefixes, and whether a pattern is rare: B-PER, B_PER, ..., then PER-B, PER_B, ..., BPER."""
    prefix, kind = f"(?P<prefix>[{''.join(_CANONICAL)}])", "(?P<type>.+)"
    usual = [prefix + re.escape(separator) + kind for separator in _SEPARATORS]
    rare = [kind + re.escape(separator) + prefix for separator in _SEPARATORS] + [prefix + kind]
    return [(re.compile(way, re.IGNORECASE | re.DOTALL), way in rare) for way in usual + rare]


def _of_one_family(pairs: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Readings that fit one scheme: "E-MAIL" beside B-NAME and I-NAME is none, because a scheme with E ends NAME with
    it.
    """
    used = {prefix for prefixes in _by_type(pairs).values() if len(prefixes) > 1 for prefix in prefixes}
    if used != {"B", "I"}:
        return pairs
    return {label: (prefix, kind) for label, (prefix, kind) in pairs.items() if prefix in used}


def _by_type(pairs: Mapping[str, tuple[str, str]]) -> dict[str, set[str]]:
    """The prefixes of each type."""
    found: dict[str, set[str]] = {}
    for prefix, kind in pairs.values():
        found.setdefault(kind, set()).add(prefix)
    return found


def _convinces(
    pairs: dict[str, tuple[str, str]], named: list[str], has_outside: bool, *, rare: bool, sure: bool
) -> bool:
    """Whether these are prefixes, and not types such as "I-94" or "E-MAIL"."""
    by_type = _by_type(pairs)
    shared = sum(len(found) > 1 for found in by_type.values())
    if rare:  # every label must fit, and every type must have at least two prefixes
        return len(pairs) == len(named) and shared == len(by_type)
    if shared:
        return 2 * len(pairs) > len(named) or any({"B", "I"} <= found for found in by_type.values())
    used = {prefix for prefix, _ in pairs.values()}
    return sure or (len(pairs) == len(named) and has_outside and used in ({"B"}, {"I"}, {"S"}))


def _family(parts: list[tuple[str, str]]) -> Family:
    """The scheme that has the prefixes in use."""
    by_type: dict[str, set[str]] = {}
    for prefix, kind in parts:
        by_type.setdefault(kind, set()).add(prefix)
    used = {prefix for prefix, kind in parts if kind and len(by_type[kind]) > 1} or {p for p, kind in parts if kind}
    if "B" in used and "E" in used:
        name = "BIOES" if "S" in used else "BIOE"
    elif "E" in used:
        # IOE1 and IOB1 write E and B only between touching spans, so some types may lack them.
        name = "IOE1" if any(found == {"I"} for found in by_type.values()) else "IOE2"
    elif "B" in used and "S" not in used:
        name = "IOB1" if any(found == {"I"} for found in by_type.values()) else "IOB2"
    elif used == {"I"}:
        name = "IO"
    else:
        name = "plain" if used == {"S"} else "BIOES"
    return FAMILIES[name]


def _build(family: Family, labels: tuple[str, ...], parts: list[tuple[str, str]]) -> Scheme:
    """Masks from the scheme and the labels that the model has."""
    prefixes = tuple(prefix for prefix, _ in parts)
    types = tuple(kind for _, kind in parts)
    numbers = {kind: at for at, kind in enumerate(dict.fromkeys(types))}
    type_ids = np.array([-1 if p == "O" else numbers[kind] for p, kind in parts], np.int32)
    outside = type_ids < 0
    same = (type_ids[:, None] == type_ids[None, :]) & ~outside[:, None]

    def pairs(table: str) -> np.ndarray:
        allowed = set(table.split())
        return np.asarray(same & np.array([[p + q in allowed for q in prefixes] for p in prefixes]))

    joined = pairs(family.joined)
    # A label that no opening label leads to (B-x never occurred in training) may open spans itself; likewise at the
    # end.
    start = outside | np.array([p in family.opens + "S" for p in prefixes])
    end = outside | np.array([p in family.closes + "S" for p in prefixes])
    within = joined | pairs(family.touching)
    start |= ~_reached(start, within)
    end |= ~_reached(end, within.T)
    transition = within | (end[:, None] & start[None, :])
    return Scheme(family.name, labels, prefixes, types, type_ids, start, end, transition, joined)


def _reached(from_labels: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """bool [L]: labels that are reachable by `steps` from one of `from_labels`."""
    reached = from_labels
    for _ in steps:
        reached = np.asarray(reached | (steps & reached[:, None]).any(axis=0))
    return reached
