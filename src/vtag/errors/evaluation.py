"""Gold data, predictions, and how they are compared."""

from __future__ import annotations

from vtag.errors.base import InputError, Kind, SettingError

TABLE: dict[str, Kind] = {
    "bad_gold": Kind(InputError, 422, 4, "{path}: record {record}, {column}: {reason}"),
    "bad_gold_record": Kind(InputError, 422, 4, "{path}: record {record}: {reason}: fix or remove it"),
    "no_gold": Kind(InputError, 422, 4, "{path}: has no records: name a file with gold spans or tags"),
    "gold_pipe": Kind(SettingError, 422, 2, "the gold is read twice, so it cannot be a pipe: write it into a file"),
    "no_such_gold_label": Kind(
        SettingError, 422, 2, "label_map: neither gold nor model has the label {label}: correct it, or leave it out"
    ),
    "no_common_label": Kind(
        SettingError,
        422,
        2,
        "gold and {system} have no label in common: name both alike with --label-map (the {system}'s: {names})",
    ),
    "no_prediction": Kind(
        InputError,
        422,
        4,
        "{path}: record {record} is of no record of the gold that is left: it must have their texts, in their order",
    ),
    "bad_prediction": Kind(InputError, 422, 4, "{path}: record {record}, {column}: {reason}"),
    "few_predictions": Kind(
        InputError,
        422,
        4,
        "{path}: has {found} records, and the gold has more: without texts, each needs one, in order",
    ),
    "systems": Kind(
        SettingError,
        422,
        2,
        "name one model to evaluate, or two to compare, and the gold after --gold: see vtag eval --help",
    ),
    "no_such_strict": Kind(SettingError, 422, 2, "strict={scheme}: no such scheme: use one of {names}"),
    "strict_model": Kind(
        SettingError,
        422,
        2,
        "strict={scheme}: the model's labels have other prefixes ({prefixes}): name its own scheme",
    ),
    "first_subword_text": Kind(
        SettingError, 422, 2, "first sub-words need gold with tokens and tags, as words: leave --first-subword out"
    ),
    "no_engine": Kind(SettingError, 422, 2, "{names}: predictions need no engine: leave these arguments out"),
    "one_system": Kind(SettingError, 422, 2, "{option} shows one system: name one, or leave {option} out"),
    "bad_recall": Kind(SettingError, 422, 2, "{option}: must be a number from 0 to 1, for example {example}"),
    "no_such_recall_label": Kind(SettingError, 422, 2, "--min-recall: the gold has no label {label}: it has {names}"),
    "eval_failed": Kind(SettingError, 422, 2, "{path}: cannot be written ({reason}): name another file after {option}"),
}
