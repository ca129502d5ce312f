"""Names, globs and folders become files in a fixed order; what cannot be read is one line."""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import zstandard

from vtag.errors import VtagError
from vtag.files import inputs
from vtag.files.inputs import Input, find, fingerprint
from vtag.files.records import Record


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.jsonl", "a.csv", "deep/c.txt.gz", ".hidden/d.txt", "notes.md", "deep/.e.txt", "out.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def test_a_folder_gives_its_files_of_known_formats_in_order_and_not_the_output() -> None:
    found = [("a.csv", "csv"), ("b.jsonl", "jsonl"), ("deep/c.txt.gz", "text")]
    assert find(["."], besides=[Path("out.jsonl")]) == [Input(*row) for row in found]


def test_globs_and_names_come_in_the_order_given_and_stdin_is_json_lines() -> None:
    found = find(["b.jsonl", "*.[ac]sv", "-", "**/*.gz"])
    assert [source.path for source in found] == ["b.jsonl", "a.csv", "-", "deep/c.txt.gz"]
    assert find(["-"], "text") == [Input("-", "text", pipe=True)]
    assert find(["notes.md"], "text") == [Input("notes.md", "text")]
    os.mkfifo("pipe.csv")
    assert find(["pipe.csv"]) == [Input("pipe.csv", "csv", pipe=True)]
    Path("notes.md").write_bytes(b"12345")
    assert find(["notes.md"], "text") == [Input("notes.md", "text", size=5)]


@pytest.mark.parametrize(
    ("given", "kind", "code"),
    [
        (["none.jsonl"], "input_gone", 4),
        (["notes.md"], "unknown_format", 2),
        (["*.xyz"], "nothing_to_read", 4),
        ([".hidden/../deep/../notes.md/.."], "input_gone", 4),
        (["out.jsonl"], "input_is_output", 2),
        (["./out.jsonl", "b.jsonl"], "input_is_output", 2),
        (["./notes.md", "b.jsonl"], "unknown_format", 2),
    ],
)
def test_what_cannot_be_meant_is_one_line(given: list[str], kind: str, code: int) -> None:
    with pytest.raises(VtagError) as caught:
        find(given, besides=[Path("out.jsonl")])
    assert (caught.value.kind, caught.value.exit_code) == (kind, code)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", ["", ";;", '"', "\n", "x", "1"])
def test_a_delimiter_is_one_sign_between_the_fields_of_csv(given: str) -> None:
    with pytest.raises(VtagError, match="delimiter=") as caught:
        find(["a.csv"], delimiter=given)
    assert caught.value.kind == "bad_delimiter"
    assert find(["a.csv", "b.jsonl"], delimiter=";") == [
        Input("a.csv", "csv", delimiter=";"),
        Input("b.jsonl", "jsonl"),
    ]
    assert find(["a.csv"], delimiter="\\t")[0].delimiter == "\t"
    with pytest.raises(VtagError, match="of CSV"):
        find(["b.jsonl"], delimiter=";")


def numbers(name: str, format: str = "text", after: int = 0) -> list[int]:  # noqa: A002
    source = Input(name, format)
    with inputs.opened(source) as raw:
        return [record.number for record in inputs.records(source, raw, after)]


@pytest.mark.parametrize("name", ["x.txt", "x.txt.gz", "x.txt.zst"])
def test_packed_files_are_read_also_in_many_pieces_and_from_any_record(name: str, folder: Path) -> None:
    packs: dict[str, Any] = {".txt": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
    pack = packs[Path(name).suffix]
    (folder / name).write_bytes(pack(b"a\nb") + pack(b"c\nd\n"))
    assert numbers(name) == [1, 2, 3]
    assert numbers(name, after=2) == [3]


@pytest.mark.parametrize(
    ("name", "data", "format"),
    [
        ("cut.txt.gz", gzip.compress(b"a\n" * 9, mtime=0)[:-9], "text"),
        ("no.txt.gz", b"a\nb\n", "text"),
        ("cut.txt.zst", zstandard.ZstdCompressor().compress(bytes(range(256)) * 9)[:-20], "text"),
        ("no.parquet", b"PAR1 and nothing else PAR1", "parquet"),
        ("no.parquet", b"", "parquet"),
    ],
)
def test_a_damaged_file_is_one_line_that_says_where(name: str, data: bytes, format: str, folder: Path) -> None:  # noqa: A002
    (folder / name).write_bytes(data)
    with pytest.raises(VtagError, match=rf"^{name}: is damaged after record \d+: replace") as caught:
        numbers(name, format)
    assert caught.value.exit_code == 4


def test_other_bytes_sizes_names_or_formats_are_other_inputs(folder: Path) -> None:
    (folder / "x.txt").write_bytes(b"a" * 100)
    seen = {fingerprint([Input("x.txt", "text")]), fingerprint([Input("x.txt", "jsonl")])}
    (folder / "x.txt").write_bytes(b"a" * 99 + b"b")
    seen |= {fingerprint([Input("x.txt", "text")])}
    (folder / "x.txt").write_bytes(b"a" * 99)
    (folder / "y.txt").write_bytes(b"a" * 99)
    seen |= {fingerprint([Input("x.txt", "text")]), fingerprint([Input("y.txt", "text")])}
    seen |= {fingerprint([Input("x.txt", "text"), Input("y.txt", "text")])}
    assert len(seen) == 6


@pytest.mark.parametrize(("package", "name"), [("zstandard", "x.txt.zst"), ("pyarrow", "x.parquet")])
def test_a_missing_package_is_named_with_its_extra(
    package: str, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / name).write_bytes(b"x")
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "vtag.files.parquet", raising=False)
    with pytest.raises(VtagError, match=r'pip install "vllm-vtag\[files\]"$') as caught:
        numbers(name, "parquet" if "parquet" in name else "text")
    assert caught.value.exit_code == 5


def test_records_are_records(folder: Path) -> None:
    (folder / "x.txt").write_bytes(b"a\n")
    with inputs.opened(Input("x.txt", "text")) as raw:
        assert list(inputs.records(Input("x.txt", "text"), raw)) == [Record(1, {"text": "a"}, size=1)]
