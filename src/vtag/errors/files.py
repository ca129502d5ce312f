"""Files that are read and written."""

from __future__ import annotations

from vtag.errors.base import EngineError, InputError, Kind, MissingPackageError, SettingError

TABLE: dict[str, Kind] = {
    "no_such_format": Kind(SettingError, 422, 2, "no such format: choose one of {names}"),
    "bad_delimiter": Kind(
        SettingError,
        422,
        2,
        "delimiter={given}: is between the fields of CSV: pass one character, such as ; or \\t, for CSV inputs",
    ),
    "json_array": Kind(InputError, 422, 4, "{file}: is no JSON Lines but one array: pass --format json"),
    "unknown_format": Kind(
        SettingError, 422, 2, "{path}: its extension tells no format: pass --format, one of {names}"
    ),
    "unknown_output": Kind(SettingError, 422, 2, "the output's extension tells no format: use one of {names}"),
    "nothing_to_read": Kind(
        InputError, 422, 4, "{path}: no file of a known extension there: check the path, or pass --format ({names})"
    ),
    "input_is_output": Kind(SettingError, 422, 2, "{path}: would be read and written at once: name another output"),
    "input_gone": Kind(
        InputError, 422, 4, "{path}: there is no such file, or it may not be read: check the path and its rights"
    ),
    "input_broken": Kind(
        InputError, 422, 4, "{path}: is damaged after record {record}: replace the file, and begin anew with --restart"
    ),
    "bad_header": Kind(
        InputError, 422, 4, "{file}: its header is not UTF-8 or names a field twice: mend it, each field needs a name"
    ),
    "no_text_field": Kind(
        InputError,
        422,
        4,
        "{path}: has no field {field!r}: pass --text-field or --words-field with one of those there: {names}",
    ),
    "field_taken": Kind(
        InputError,
        422,
        4,
        "{path}: has a field {field!r} already: name another for the spans (--spans-field), or pass --overwrite-field",
    ),
    "bad_record": Kind(
        InputError, 422, 4, "{path}: record {record}: {reason}: mend it, or run without --strict to leave it out"
    ),
    "output_exists": Kind(
        SettingError, 422, 2, "{output}: exists already: name another output, or pass --restart to write it anew"
    ),
    "output_busy": Kind(
        EngineError, 503, 5, "{output}: another run is writing it: wait for that one, or name another output"
    ),
    "output_lost": Kind(
        EngineError, 500, 5, "{path}: less is there than its journal says: put it back, or begin anew with --restart"
    ),
    "output_failed": Kind(
        EngineError,
        500,
        5,
        "{output}: cannot be written ({reason}): mend that; the same command then goes on where this one stopped",
    ),
    "another_run": Kind(
        SettingError,
        422,
        2,
        "{output}: was begun with another {what}: give it as it was, name another output, or begin anew with --restart",
    ),
    "files_missing": Kind(
        MissingPackageError, 503, 5, '{what} files need packages that are not installed: pip install "vtag[files]"'
    ),
}
