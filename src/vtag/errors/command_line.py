"""Input of the command line: stdin, stdout and options that only commands have."""

from __future__ import annotations

from vtag.errors.base import EngineError, InputError, Kind, SettingError

TABLE: dict[str, Kind] = {
    "no_stdin": Kind(InputError, 422, 2, "stdin is closed: pipe the input in, or name files"),
    "stdin_failed": Kind(InputError, 422, 4, "stdin cannot be read ({reason}): pipe the texts in, one a line"),
    "not_utf8": Kind(
        InputError,
        422,
        4,
        "line {line} is not UTF-8: convert the input first, for example with iconv -f latin1 -t utf-8",
    ),
    "text_not_utf8": Kind(
        InputError, 422, 4, "byte {at} is not UTF-8: convert the input first, for example with iconv -f latin1 -t utf-8"
    ),
    "bad_line": Kind(InputError, 422, 4, "line {line}: {reason}: remove it, or use vtag run, which skips such lines"),
    "stdout_failed": Kind(EngineError, 500, 5, "stdout cannot be written ({reason}): fix that, or write to a file"),
    "no_text": Kind(InputError, 422, 2, "no text: give texts after the model, or pipe them in, one a line"),
    "bad_pair": Kind(SettingError, 422, 2, "{option} takes NAME=VALUE, for example {option} max_num_seqs=8"),
    "label_map_unreadable": Kind(
        SettingError, 422, 2, "{path}: cannot be read ({reason}): name a TOML or JSON file after --label-map"
    ),
    "label_map_broken": Kind(
        SettingError, 422, 2, '{path}: not {format}: write lines such as PER = "PERSON" into a file that ends in .toml'
    ),
    "router_label": Kind(
        SettingError, 422, 2, "Semantic Router cannot take the label {label}: give it another name with --label-map"
    ),
    "page_failed": Kind(EngineError, 500, 5, "{path}: cannot be written ({reason}): name another file after --html"),
    "ray_to_stdout": Kind(SettingError, 422, 2, "--ray writes to files: name one after -o"),
    "ray_only": Kind(SettingError, 422, 2, "{option} needs --ray: add --ray, or leave {option} out"),
    "bad_workers": Kind(SettingError, 422, 2, "--workers must be MIN:MAX, or one number of at least 1"),
}
