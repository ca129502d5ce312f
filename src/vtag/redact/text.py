"""One text: its spans, replaced by a policy. A pure function of text, spans, policy and key."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import count
from typing import Self

from vtag.errors import error
from vtag.options import TagOptions
from vtag.redact import dates, fakes, placeholders
from vtag.redact import policy as policies
from vtag.redact.actions import ACTIONS, Action, Fake, Hash, Keep, Shift, Token
from vtag.redact.keys import Key
from vtag.redact.overlaps import Segment, segments
from vtag.redact.placeholders import Tokens
from vtag.redact.policy import Policy, PolicySource
from vtag.redact.restore import restore_mapped
from vtag.redact.words import Values, folded, is_letter
from vtag.types import Redacted, Replacement, Span

# Where a mapping would not lead back to the text, others are tried: so often, at first with fakes.
ATTEMPTS, FAKES_ATTEMPTS = 4, 2
# How often a fake is drawn until one is found that is not in the text.
DRAWS = 16
KEEP, SEAL = Keep(), Token()
# How many values are remembered with their hash or token, and how long they may be: at most some 20 MB in all.
REMEMBERED, LONGEST_REMEMBERED = 1 << 14, 64


class Redactor:
    """A policy with its key, ready for texts. Raises SettingError, or MissingPackageError, for what it lacks.

    labels: those that spans may have. key: instead of the one that the policy names.
    """

    def __init__(self, policy: Policy, labels: Iterable[str], key: Key | None = None) -> None:
        self.policy = policy
        labels = dict.fromkeys([*labels, *policy.labels, *policy.deny])
        self._hows: dict[str, Action] = {}
        self.key: Key | None = (key or policy.key.load()) if policy.keyed else None
        self._tokens = Tokens(self.key) if self.key and "token" in policy.actions else None
        self._fakers: dict[str, fakes.Fake] = {}
        for label in labels:
            how = self.how(label)
            if isinstance(how, Fake) and self.key is not None:
                self._fakers[label] = fakes.maker(label, how.kind, how.locale, self.key)
        self._names = frozenset(map(placeholders.shown, labels))
        self._plain = {label: placeholders.plain(label) for label in labels}
        mapped = [label for label in labels if ACTIONS[self.how(label).action].mapped]
        self._maps = bool(mapped)
        self._numbered = frozenset(map(placeholders.shown, mapped))
        self._allowed = frozenset(map(folded, policy.allow))
        self._denied = Values(policy.deny)
        self._derived = {"hash": remembering(self._hash)}
        if self._tokens is not None:
            self._derived["token"] = remembering(self._tokens.seal)

    @classmethod
    def for_model(cls, source: PolicySource, labels: Sequence[str], key: Key | None = None) -> Self:
        """A policy for a model with these labels, which must have those that the policy names."""
        policy = policies.load(source)
        policy.check_labels([*labels])
        return cls(policy, labels, key)

    @cached_property
    def options(self) -> TagOptions:
        """How texts are tagged for it."""
        return TagOptions(threshold=self.policy.threshold, each_word=self.policy.threshold is not None)

    @property
    def identity(self) -> dict[str, str]:
        """What its results depend on, without a value or the key."""
        found = {"policy": self.policy.identity(self.key)}
        return found | ({"redaction key": self.key.fingerprint} if self.key else {})

    def how(self, label: str) -> Action:
        """What is done with spans of a label."""
        how = self._hows.get(label)
        if how is None:
            how = self._hows[label] = self._how(label)
        return how

    def _how(self, label: str) -> Action:
        if label == placeholders.FOREIGN and self._tokens is not None and label not in self.policy.labels:
            return SEAL
        return self.policy.labels.get(label, self.policy.default)

    def contexts(self, given: Iterable[str] | None, texts: int) -> list[str]:
        """The context of each of so many texts. Raises VtagError if they are missing, or do not fit."""
        if given is None:
            if self.policy.context is not None:
                raise error("no_context_field")
            return [""] * texts
        found = [] if isinstance(given, str) else list(given)
        if len(found) != texts or not all(isinstance(context, str) for context in found):
            raise error("bad_contexts")
        return found

    def redact(self, text: str, spans: Iterable[Span], context: str = "", *, index: int = 0) -> Redacted:
        """Replace the spans of one text.

        context: dates of equal contexts are shifted alike. index: the text's number in error messages. Raises
        InputError for spans outside of the text, and where no fakes can be told from it.
        """
        own = self.own(text)
        found = self.found(text, spans, own)
        for attempt in range(ATTEMPTS):
            made = self.replace(text, found, own, context, attempt)
            if made is not None:
                return made
        raise error("not_redactable", index=index)

    def own(self, text: str) -> list[tuple[int, int]]:
        """Where a text has placeholders that stay as they are, in order."""
        return placeholders.find_own(text, self._names, self._numbered, self.key, self._tokens)

    def found(self, text: str, spans: Iterable[Span], own: Iterable[tuple[int, int]]) -> list[Span]:
        """The spans of the model less those that are allowed, and those that the policy adds."""
        kept = []
        for number, span in enumerate(spans):
            if not 0 <= span.start <= span.end <= len(text):
                raise error("bad_span", number=number)
            if span.start < span.end and not (self._allowed and folded(text[span.start : span.end]) in self._allowed):
                kept.append(span)
        kept += [Span(start, end, label, 1.0, text[start:end]) for start, end, label in self._denied.find(text)]
        if self._tokens is not None:
            ours = set(own)
            for match in placeholders.TOKEN.finditer(text):
                if match.span() not in ours:
                    kept.append(Span(*match.span(), placeholders.FOREIGN, 1.0, match[0]))
        return kept

    def unfinished(self, text: str, before: int) -> bool:
        """Whether a placeholder or a denied value that begins before a place may go on after the end of the text."""
        return placeholders.unfinished(text, before) or self._denied.unfinished(text, before)

    def replace(
        self, text: str, spans: Iterable[Span], own: Sequence[tuple[int, int]], context: str, attempt: int = 0
    ) -> Redacted | None:
        """The text without the values of these spans; None if its mapping would not lead back to it.

        own: placeholders that stay. attempt: tells mappings apart.
        """
        found = segments(spans, own, self.how, KEEP)
        taken = Substitutes(text, found, attempt) if self._maps else None
        parts: list[str] = []
        replaced: list[Replacement] = []
        at = length = 0
        for start, end, label, how in found:
            value, action = text[start:end], how.action
            if (of_value := ACTIONS[action].of_value) is not None:
                made = of_value(value, how)
            elif action in self._derived:
                made = self._derived[action](label, value)
            elif isinstance(how, Shift):
                made = self._shift(value, how, context)
            else:
                assert taken is not None  # numbers and fakes
                made = taken.of(label, value, self._fakers.get(label))
            if made is None:
                made, action = self._plain.get(label) or placeholders.plain(label), "label"
            begin = length + start - at
            length = begin + len(made)
            replaced.append(Replacement(begin, length, start, end, label, action))
            parts += (text[at:start], made)
            at = end
        parts.append(text[at:])
        new = "".join(parts)
        mapping = taken.mapping if taken is not None else {}
        if mapping and restore_mapped(new, mapping) != _restored(text, new, replaced):
            return None
        return Redacted(new, replaced, mapping)

    def _hash(self, label: str, value: str) -> str:
        how = self.how(label)
        assert self.key is not None  # loaded for every policy with such an action
        assert isinstance(how, Hash)
        return placeholders.hashed(label, normalised(value), self.key, how.digits)

    def _shift(self, value: str, how: Shift, context: str) -> str | None:
        assert self.key is not None
        chance = int.from_bytes(self.key.digest("shift", "", context)[:8]) % (2 * how.max_days)
        days = chance - how.max_days
        return dates.shift(value, days + (days >= 0), day_first=how.day_first)


def redact_text(
    text: str,
    spans: Iterable[Span],
    policy: PolicySource = None,
    context: str = "",
) -> Redacted:
    """A text without the values of given spans, whatever found them; as `LLM.redact` does it.

    Args:
        text: the text.
        spans: in any order; they may overlap.
        policy: as in `LLM.redact`. Its labels need not be those of the spans.
        context: for a policy that shifts dates by context: dates of equal contexts are shifted alike.

    Returns:
        The new text, what was replaced, and the mapping that leads back. Offsets are code points.

    Raises:
        SettingError: for a policy that cannot be meant, and without its key.
        InputError: for a span outside of the text.
    """
    found = list(spans)
    return Redactor(policies.load(policy), [span.label for span in found]).redact(text, found, context)


class Substitutes:
    """Numbers and fakes of one text: the same value has the same one, and none stands in the text already.

    A value beside a letter or digit has no fake, as the way back looks for whole words. mapping: what they replace.
    """

    def __init__(self, text: str, found: Iterable[Segment], attempt: int) -> None:
        self._text, self._attempt = text, attempt
        self._in_words = {
            (each.label, text[each.start : each.end])
            for each in found
            if each.how.action == "fake" and (is_letter(text, each.start - 1) or is_letter(text, each.end))
        }
        self._made: dict[tuple[str, str], str] = {}
        self._numbers: dict[str, Iterator[int]] = {}
        self.mapping: dict[str, str] = {}

    def of(self, label: str, value: str, faker: fakes.Fake | None) -> str:
        """What takes the place of a value: a fake if one is found, else its label with a number."""
        made = self._made.get((label, value))
        if made is None:
            fakes_fit = self._attempt < FAKES_ATTEMPTS and (label, value) not in self._in_words
            made = self._fake(value, faker) if faker and fakes_fit else None
            made = self._made[label, value] = made or self._numbered(label)
            self.mapping[made] = value
        return made

    def _numbered(self, label: str) -> str:
        counts = self._numbers.setdefault(label, count(self._attempt + 1))
        return next(
            made
            for number in counts
            if (made := placeholders.numbered(label, number)) not in self.mapping and made not in self._reserved
        )

    def _fake(self, value: str, faker: fakes.Fake) -> str | None:
        for attempt in range(DRAWS):
            made = faker(value, attempt + DRAWS * self._attempt)
            if made and made not in self.mapping and made.casefold() not in self._folded_text:
                return made
        return None

    @cached_property
    def _reserved(self) -> set[str]:
        return {match[0] for match in placeholders.ANY_NUMBERED.finditer(self._text)}

    @cached_property
    def _folded_text(self) -> str:
        return self._text.casefold()


def remembering(derive: Callable[[str, str], str]) -> Callable[[str, str], str]:
    """The same function of a label and a value, faster for values that come again, as names and cities do."""
    remembered = lru_cache(maxsize=REMEMBERED)(derive)
    return lambda label, value: (remembered if len(value) <= LONGEST_REMEMBERED else derive)(label, value)


def _restored(text: str, new: str, replaced: Iterable[Replacement]) -> str:
    """What the way back by a mapping must give: the new text, with the old values where a mapping leads back."""
    parts: list[str] = []
    at = 0
    for each in replaced:
        mapped = ACTIONS[each.action].mapped
        made = text[each.old_start : each.old_end] if mapped else new[each.start : each.end]
        parts += (text[at : each.old_start], made)
        at = each.old_end
    return "".join([*parts, text[at:]])


def normalised(value: str) -> str:
    """One spelling of the same characters: composed (NFC), with single spaces."""
    return " ".join(unicodedata.normalize("NFC", value).split())
