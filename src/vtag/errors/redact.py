"""Policies, keys, mappings and placeholders of redaction. No message has a value, a key, or where a key is."""

from __future__ import annotations

from vtag.errors.base import InputError, Kind, MissingPackageError, SettingError

TABLE: dict[str, Kind] = {
    "policy_unreadable": Kind(
        SettingError, 422, 2, "{path}: cannot be read ({reason}): name a TOML or JSON file as the policy"
    ),
    "policy_broken": Kind(
        SettingError, 422, 2, '{path}: not {format}: write for example default = "label" into a file that ends in .toml'
    ),
    "policy_table": Kind(
        SettingError, 422, 2, 'a policy is a table, such as {{"labels": {{"EMAIL": "mask"}}}}: pass one, or a file'
    ),
    "policy_action": Kind(SettingError, 422, 2, "policy: {where}: no such action: use one of {names}"),
    "policy_parameter": Kind(SettingError, 422, 2, "policy: {where}: does not exist: {known}"),
    "policy_value": Kind(SettingError, 422, 2, "policy: {where}: {reason}: correct it"),
    "policy_context": Kind(
        SettingError,
        422,
        2,
        "policy: context is for dates that are shifted, and no label is: leave it out, or use shift",
    ),
    "policy_label": Kind(SettingError, 422, 2, "policy: the model has no label {label}: choose among {names}"),
    "policy_key": Kind(
        SettingError,
        422,
        2,
        'policy: it never holds a key: write key = {{env = "{default}"}} or key = {{file = "PATH"}}, and the key there',
    ),
    "no_key": Kind(
        SettingError,
        422,
        2,
        "no key: set the environment variable that the policy names ({default} unless it names one), for example to"
        " the output of openssl rand -hex 32",
    ),
    "no_operator": Kind(SettingError, 422, 2, "no such operator here: use one of {names}"),
    "operator_parameters": Kind(SettingError, 422, 2, "the operator {type} needs {names}"),
    "operator_secret": Kind(
        SettingError,
        422,
        2,
        "{type}: the server uses HMAC-SHA256 and AES-SIV under its own key: leave key, salt and hash_type out",
    ),
    "no_server_key": Kind(
        SettingError,
        422,
        2,
        "this server has no key: start it with {default} set, or use actions without one, such as label",
    ),
    "policy_key_sent": Kind(
        SettingError, 422, 2, "a policy in a request names no key: leave it out, the server uses its own"
    ),
    "key_unreadable": Kind(
        SettingError, 422, 2, "the file of the policy's key cannot be read ({reason}): correct its path or permissions"
    ),
    "key_short": Kind(
        SettingError,
        422,
        2,
        "the key has fewer than {least} bytes and could be guessed: make one with openssl rand -hex 32",
    ),
    "redact_missing": Kind(
        MissingPackageError,
        503,
        5,
        'the action {what} needs {package}, which is not installed: pip install "vllm-vtag[redact]"',
    ),
    "fake_kind": Kind(SettingError, 422, 2, "policy: {label}: fake has no such kind: use one of {names}"),
    "fake_locale": Kind(
        SettingError, 422, 2, "policy: {label}: this locale has no {values}: choose another kind= or locale="
    ),
    "fake_no_locale": Kind(
        SettingError, 422, 2, "policy: Faker has no such locale: use one of its own, such as en_US or de_DE"
    ),
    "policy_stream": Kind(
        SettingError, 422, 2, "policy: {action} needs the whole text, and a stream has none: use label, hash or token"
    ),
    "stream_unfinished": Kind(
        InputError,
        422,
        4,
        "a placeholder or denied value goes on for {limit:,} characters: take it out of the text, or of the policy",
    ),
    "bad_span": Kind(
        InputError, 422, 4, "span {number} does not lie in its text: pass offsets in code points, start before end"
    ),
    "not_redactable": Kind(
        InputError,
        422,
        4,
        "text {index}: no fakes or numbers were found that could be told from the text: use label or token instead",
    ),
    "bad_contexts": Kind(
        InputError, 422, 4, "contexts must be one string for each text: pass as many as there are texts"
    ),
    "no_context_field": Kind(
        SettingError, 422, 2, "the policy names a context: pass contexts=, a string for each text"
    ),
    "no_context": Kind(
        InputError, 422, 4, "a record lacks the field of the policy's context: add it, or leave context out"
    ),
    "spans_beside": Kind(
        InputError, 422, 4, "a record has spans with their texts in another field: redact it before it is tagged"
    ),
    "token_refused": Kind(
        InputError,
        422,
        4,
        "the token at character {at} was not made under this key, or was changed: use the key of the redaction",
    ),
    "redact_output": Kind(SettingError, 422, 2, "files are redacted into a file: name one after -o, or - for stdout"),
    "redact_stream_output": Kind(
        SettingError, 422, 2, "--stream reads stdin and writes stdout: leave -o out, and redirect with >"
    ),
    "redact_lines": Kind(
        SettingError, 422, 2, "lines of stdin have no use for {what}: name a file after -o, or leave it out"
    ),
    "mapping_is_output": Kind(
        SettingError, 422, 2, "{path}: the mapping cannot be in the output: name another file after --mapping"
    ),
    "record_not_restored": Kind(
        InputError, 422, 4, "{path}: record {record}: {reason}: use the key, the mapping and the file of one redaction"
    ),
    "mapping_length": Kind(
        SettingError,
        422,
        4,
        "{path}: has {lines} lines, and the input another number of records: name the one written with it",
    ),
    "mapping_unreadable": Kind(
        SettingError, 422, 4, "{path}: cannot be read ({reason}): name the file that --mapping wrote"
    ),
    "mapping_changed": Kind(
        SettingError, 422, 4, "{path}: line {line} is not as it was written: restore the file that --mapping wrote"
    ),
}
