"""What labels are called in answers: the model's own names, or those of a label map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vtag.decode.scheme import Scheme
from vtag.errors import error, listed, short

OUTSIDE = "O"


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """The names of a model's labels, each in the order of the labels. A type that is left out counts as outside.

    labels: of tokens, prefix included ("B-PERSON"); "O" where the type is left out.
    types: of spans by the default strategy; "" outside.
    groups: of spans by Hugging Face's grouping strategies.
    """

    labels: tuple[str, ...]
    types: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def of_spans(self) -> list[str]:
        """The possible labels of spans by the default strategy: each name once, in the order of the labels."""
        return list(dict.fromkeys(name for name in self.types if name))


def names_of(scheme: Scheme, label_map: Mapping[str, str] | None = None) -> Names:
    """The names under a label map: type -> name, or -> "" to leave it out; other types keep their names.

    Raises SettingError for a type that the model does not have, and for a name that cannot be one.
    """
    if label_map is None:
        label_map = {}
    if not isinstance(label_map, Mapping):
        raise error("bad_label_map")
    for kind, name in label_map.items():
        if kind not in scheme.span_labels:
            raise error("no_such_type", type=short(kind), names=listed(scheme.span_labels))
        if not isinstance(name, str) or name == OUTSIDE or not name.isprintable() or name != name.strip():
            raise error("bad_label_name", type=short(kind))
    labels, groups = [], []
    for label, kind in zip(scheme.labels, scheme.types, strict=True):
        if kind not in label_map:
            labels.append(label)
            groups.append(label.split("-", 1)[-1])  # as the pipeline cuts it
        else:
            name = label_map[kind]
            labels.append(_spelled(label, kind, name) if name else OUTSIDE)
            groups.append(name or OUTSIDE)
    types = tuple(label_map.get(kind, kind) for kind in scheme.types)
    return Names(tuple(labels), types, tuple(groups))


def _spelled(label: str, kind: str, name: str) -> str:
    """A label with another type: B-PER -> B-PERSON, PER_B -> PERSON_B; a bare B -> B-PERSON."""
    if label.endswith(kind):
        return label[: len(label) - len(kind)] + name
    return name + label[len(kind) :] if label.startswith(kind) else f"{label}-{name}"
