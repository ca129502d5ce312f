"""Files that are read and written."""

from __future__ import annotations

from vtag.errors.base import EngineError, InputError, Kind, MissingPackageError, SettingError

TABLE: dict[str, Kind] = {
    "no_such_format": Kind(SettingError, 422, 2, "no such format: choose one of {names}"),
    "bad_delimiter": Kind(
        SettingError,
        422,
        2,
        "delimiter={given}: must be one character between the fields of CSV: pass for example ; or \\t, for CSV inputs",
    ),
    "json_array": Kind(InputError, 422, 4, "{file}: is not JSON Lines but one JSON array: pass --format json"),
    "unknown_format": Kind(SettingError, 422, 2, "{path}: unknown extension: pass --format, one of {names}"),
    "unknown_output": Kind(SettingError, 422, 2, "the output has an unknown extension: use one of {names}"),
    "nothing_to_read": Kind(
        InputError, 422, 4, "{path}: no file with a known extension: check the path, or pass --format ({names})"
    ),
    "input_is_output": Kind(SettingError, 422, 2, "{path}: is both input and output: name another output"),
    "input_gone": Kind(
        InputError, 422, 4, "{path}: no such file, or no permission to read it: check the path and its permissions"
    ),
    "input_broken": Kind(
        InputError, 422, 4, "{path}: is damaged after record {record}: replace the file, and start over with --restart"
    ),
    "bad_header": Kind(
        InputError,
        422,
        4,
        "{file}: its header is not UTF-8 or names a field twice: fix it, each field needs a unique name",
    ),
    "no_text_field": Kind(
        InputError,
        422,
        4,
        "{path}: has no field {field!r}: pass --text-field or --words-field with one of its fields: {names}",
    ),
    "fields_equal": Kind(
        SettingError, 422, 2, "spans and coverage cannot both be in the field {field!r}: name two fields"
    ),
    "text_field_taken": Kind(
        SettingError, 422, 2, "the field {field!r} has the text: name another for the replacements or the coverage"
    ),
    "field_taken": Kind(
        InputError,
        422,
        4,
        "{path}: already has a field {field!r}: choose another with --spans-field or --coverage-field, or pass"
        " --overwrite-field",
    ),
    "bad_record": Kind(
        InputError, 422, 4, "{path}: record {record}: {reason}: fix it, or run without --strict to skip it"
    ),
    "output_exists": Kind(
        SettingError, 422, 2, "{output}: already exists: name another output, or pass --restart to overwrite it"
    ),
    "output_busy": Kind(
        EngineError, 503, 5, "{output}: another run is writing it: wait for that one, or name another output"
    ),
    "output_lost": Kind(
        EngineError, 500, 5, "{path}: is shorter than its journal says: restore it, or start over with --restart"
    ),
    "output_failed": Kind(
        EngineError,
        500,
        5,
        "{output}: cannot be written ({reason}): fix that; the same command then continues where this one stopped",
    ),
    "another_run": Kind(
        SettingError,
        422,
        2,
        "{output}: was started with another {what}: use the same, name another output, or start over with --restart",
    ),
    "files_missing": Kind(
        MissingPackageError, 503, 5, '{what} files need packages that are not installed: pip install "vllm-vtag[files]"'
    ),
}
