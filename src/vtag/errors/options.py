"""Options of tagging and arguments of `LLM`."""

from __future__ import annotations

from vtag.errors.base import Kind, ModelError, SettingError

TABLE: dict[str, Kind] = {
    "other_task": Kind(SettingError, 422, 2, "task={task!r} is not token classification: use vllm.LLM for other tasks"),
    "unknown_scheme": Kind(SettingError, 422, 2, "scheme={scheme}: no such tag scheme: use one of {names}"),
    "scheme_mismatch": Kind(
        SettingError,
        422,
        2,
        "scheme={scheme}: the labels have the prefixes {prefixes}: leave scheme= out, or name another",
    ),
    "bad_words": Kind(SettingError, 422, 2, "words={words}: use one of {names}"),
    "bad_calibration": Kind(
        ModelError,
        422,
        3,
        "{path}: not a Viterbi calibration ({reason}): fix the file, or remove it",
    ),
    "unknown_operating_point": Kind(
        SettingError, 422, 2, "operating_point={point}: no such point in the calibration file: use one of {names}"
    ),
    "unknown_strategy": Kind(
        SettingError, 422, 2, "aggregation_strategy={strategy}: no such strategy: choose one of {names}"
    ),
    "bad_ignore_labels": Kind(
        SettingError, 422, 2, 'ignore_labels={given}: must be a list of labels: pass for example ["O", "DATE"], or []'
    ),
    "no_such_label": Kind(SettingError, 422, 2, "{option}: the model has no label {label}: choose among {names}"),
    "bad_label_map": Kind(
        SettingError,
        422,
        2,
        'label_map must be a dict of types and their names, such as {{"PER": "PERSON", "MISC": ""}}',
    ),
    "no_such_type": Kind(SettingError, 422, 2, "label_map: the model has no type {type}: choose among {names}"),
    "bad_label_name": Kind(
        SettingError,
        422,
        2,
        'label_map: the name of {type} must be one line of text and not "O"; "" leaves the type out',
    ),
    "stride_number": Kind(SettingError, 422, 2, "stride={stride}: must be a whole number of tokens"),
    "stride_without_groups": Kind(
        SettingError, 422, 2, "stride is not supported with aggregation_strategy=none: leave stride out, or use simple"
    ),
    "bad_stride": Kind(
        SettingError,
        422,
        2,
        "stride={stride} does not fit: it must be from 0 to {most} tokens, less than a window holds",
    ),
    "bad_threshold": Kind(
        SettingError, 422, 2, 'threshold must be from 0 to 1, or a dict such as {{"PERSON": 0.9, "*": 0.5}}'
    ),
    "bad_top_k": Kind(SettingError, 422, 2, "top_k({k}): ask for at least 1 label"),
    "window_too_small": Kind(
        SettingError, 422, 2, "max_length={max_length} leaves no room beside the special tokens: make it larger"
    ),
    "needs_fast_tokenizer": Kind(
        SettingError,
        422,
        2,
        "{strategy} needs a fast tokenizer, which this model does not have: use aggregation_strategy=simple",
    ),
    "unknown_argument": Kind(SettingError, 422, 2, "{name}: LLM has no such argument: {fix}"),
    "bad_argument": Kind(SettingError, 422, 2, "{name}={value}: must be {expected}"),
    "engine_argument": Kind(SettingError, 422, 2, "{model}: the engine refuses an argument: {reason}"),
    "no_tokenization_kwargs": Kind(
        SettingError, 422, 2, "tokenization_kwargs need pooling_task: leave them out, texts are never truncated"
    ),
}
