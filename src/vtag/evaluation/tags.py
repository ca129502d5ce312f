"""Tags of words to entities: as conlleval and seqeval read them, and strictly by a scheme.

`entities` equals seqeval 1.2.2 (https://github.com/chakki-works/seqeval) on any tags; tests compare. Gold with other
spellings (BILOU, BMES, `B_PER`) goes through `reading`, which seqeval lacks: it merges two neighbours `U-PER U-PER`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from vtag.decode import scheme as schemes

Entity = tuple[str, int, int]  # type, first word, end (exclusive)
Tag = tuple[str, str]  # prefix, type

OUTSIDE = ("O", "_")
OUTSIDE_TAGS = ("O", "o", "")
# Prefixes of other spellings -> those of BIOES.
CANONICAL = {"U": "S", "L": "E", "M": "I", "W": "S"}
_PREFIXED = re.compile("([BIESLUMW])-(.+)", re.DOTALL)


class Strict(NamedTuple):
    """A scheme read strictly. Each pattern is the prefix before, the prefix, and whether their types are equal ("="),
    differ ("!") or may do either ("*"); "." stands for any prefix.

    prefixes: those that may occur. starts, continues, ends: which pairs begin an entity, go on with it, and end it.
    """

    prefixes: str
    starts: str
    continues: str
    ends: str


STRICT = {
    "IOB1": Strict("IOB", "OI* II! BI* IB= BB=", "BI= II=", "II! IO* IB* BO* BI! BB="),
    "IOE1": Strict("IOE", "OI* II! EI* EE=", "II= IE=", "II! IO* IE! EI= EE="),
    "IOB2": Strict("IOB", ".B*", "BI= II=", "IO* II! IB* BO* BI! BB*"),
    "IOE2": Strict("IOE", "OI* OE* EI* EE* II! IE!", "IE= II=", "E.*"),
    "IOBES": Strict("IOBES", ".B* .S*", "BI= BE= II= IE=", "S.* E.*"),
    "BILOU": Strict("BILOU", ".B* .U*", "BI= BL= II= IL=", "U.* L.*"),
}


def entities(tags: Sequence[str], scheme: str | None = None) -> list[Entity]:
    """The entities of a sentence.

    scheme: None: conlleval's rules, seqeval's default, which take any sequence. Else a name of STRICT: what the scheme
    does not permit is no entity (seqeval's `mode="strict"`); raises ValueError for a prefix that it does not have.
    """
    if scheme is None:
        return chunks([(tag[:1], tag[1:].split("-", 1)[-1] or "_") for tag in tags])
    return strict([(tag[:1], tag[1:].strip("-") or "_") for tag in tags], scheme)


def chunks(tags: Sequence[Tag]) -> list[Entity]:
    """Entities by conlleval's rules: B and S begin one; so do I and E after O, E or S, or where the type changes."""
    found: list[Entity] = []
    begin = 0
    before, kind_before = OUTSIDE
    for at, (prefix, kind) in enumerate([*tags, OUTSIDE]):
        changes = kind != kind_before
        if (
            before in ("E", "S")
            or (before in ("B", "I") and prefix in ("B", "S", "O"))
            or (changes and before not in ("O", "."))
        ):
            found.append((kind_before, begin, at))
        if (
            prefix in ("B", "S")
            or (prefix in ("E", "I") and before in ("E", "S", "O"))
            or (changes and prefix not in ("O", "."))
        ):
            begin = at
        before, kind_before = prefix, kind
    return found


def strict(tags: Sequence[Tag], scheme: str) -> list[Entity]:
    """Entities that a scheme permits; an entity that does not end as it should is none."""
    rules = STRICT[scheme]
    if not {prefix for prefix, _ in tags} <= set(rules.prefixes):
        raise ValueError(scheme)
    padded = [*tags, OUTSIDE]
    found: list[Entity] = []
    before, at = OUTSIDE, 0
    while at < len(padded):
        end = at + 1
        if _fits(rules.starts, before, padded[at]):
            while end < len(padded) and _fits(rules.continues, padded[end - 1], padded[end]):
                end += 1
            end = min(end, len(tags))
            if _fits(rules.ends, padded[end - 1], padded[end]):
                found.append((padded[at][1], at, end))
            end = max(end, at + 1)
        at = end
        before = padded[at - 1]
    return found


def _fits(patterns: str, before: Tag, tag: Tag) -> bool:
    same = "=" if before[1] == tag[1] else "!"
    return any(
        pattern[0] in (".", before[0]) and pattern[1] in (".", tag[0]) and pattern[2] in ("*", same)
        for pattern in patterns.split()
    )


# What tags with a prefix are called, by the prefixes that occur; all are read by conlleval's rules.
_NAMES = {"IO": "I", "IOB2": "BI", "IOE2": "IE", "BIOES": "BIES"}


class Reading(NamedTuple):
    """What each tag of a gold set means.

    scheme: its name, "plain" for one tag a word. tags: tag -> canonical prefix (B, I, E, S, O) and type. strange: tags
    that do not fit the others, or the scheme. strict: whether only what the scheme permits is an entity.
    """

    scheme: str
    tags: Mapping[str, Tag]
    strange: frozenset[str] = frozenset()
    strict: bool = False

    def entities(self, tags: Sequence[str]) -> list[Entity]:
        """The entities of a sentence: strictly, or by conlleval's rules; of "plain" tags each word that has a type."""
        if self.strict:
            return entities(tags, self.scheme)
        read = [self.tags[tag] for tag in tags]
        if self.scheme == "plain":
            return [(kind, at, at + 1) for at, (prefix, kind) in enumerate(read) if prefix != "O"]
        return chunks(read)


def reading(tags: Iterable[str], strict: str | None = None) -> Reading:
    """How the tags that occur in a gold set are to be read.

    strict: a name of STRICT: they are read strictly by this scheme.
    """
    names = sorted(set(tags))
    if strict is not None:
        strange = {tag for tag in names if tag[:1] not in STRICT[strict].prefixes or not tag}
        read = {tag: (tag[:1], tag[1:].strip("-") or "_") for tag in names}
        return Reading(strict, read, frozenset(strange), strict=True)
    pairs = {tag: OUTSIDE for tag in names if tag in OUTSIDE_TAGS}
    rest = [tag for tag in names if tag not in pairs]
    matches = {tag: match for tag in rest if (match := _PREFIXED.fullmatch(tag))}
    if not rest:
        return Reading("plain", pairs)
    if len(matches) == len(rest):
        pairs |= {tag: (CANONICAL.get(match[1], match[1]), match[2]) for tag, match in matches.items()}
        used = {pairs[tag][0] for tag in rest}
        return Reading(next(name for name, has in _NAMES.items() if used <= set(has)), pairs)
    found = schemes.read(dict(enumerate(names)))
    if found.name == "plain":
        return Reading("plain", pairs | {tag: ("S", tag) for tag in rest})
    for tag, prefix, kind in zip(names, found.prefixes, found.types, strict=True):
        pairs[tag] = (prefix, kind) if kind else OUTSIDE
    return Reading(found.name, pairs, frozenset(tag for tag in rest if pairs[tag][1] == tag))
