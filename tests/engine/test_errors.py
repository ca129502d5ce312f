"""What is wrong with a model or an input is one line from the table, and it comes before the engine starts."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, EsmTokenizer

from tests.checkpoints import good, in_hub_cache
from tests.tagging import prepare
from vtag import LLM, VtagError
from vtag.model import checkpoint
from vtag.model.demo import demo_model
from vtag.tagger import Tagger


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return good(tmp_path_factory.mktemp("models") / "good")


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger(AutoTokenizer.from_pretrained(demo_model()), {0: "O", 1: "B-X"}, 512)


def assert_one_line(raised: pytest.ExceptionInfo[VtagError], kind: str) -> None:
    assert raised.value.kind == kind
    assert isinstance(raised.value, ValueError)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "name", ["no/such/folder", "./none", "/none/at/all", "with space", "~nobody/x", "a" * 5000, "a\0b", "a\nb"]
)
def test_a_path_that_does_not_exist(name: str) -> None:
    with pytest.raises(VtagError) as raised:
        LLM(name)
    assert_one_line(raised, "model_not_found")


@pytest.mark.parametrize("given", [None, 5, b"demo", "", ["demo"]])
def test_what_is_no_name_of_a_model(given: Any) -> None:
    with pytest.raises(VtagError) as raised:
        LLM(given)
    assert_one_line(raised, "no_model_name")


def test_a_path_in_the_home_folder(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(model.parent))
    assert checkpoint.locate(f"~/{model.name}") == model


@pytest.mark.parametrize(
    ("model_config", "kind"),
    [
        ({"num_labels": 3}, "num_labels"),
        ({"num_labels": 0}, "num_labels_number"),
        ({"num_labels": "2"}, "num_labels_number"),
        ({"num_labels": True}, "num_labels_number"),
        ({"id2label": {1: "A", 2: "B"}}, "id2label_keys"),
        ({"id2label": {"A": 0, "B": 1}}, "id2label_keys"),
        ({"id2label": ["A", "B"]}, "id2label_keys"),
        ({"id2label": {0: "A", 1: None}}, "id2label_keys"),
        ({"labels": 2}, "model_config_key"),
    ],
)
def test_a_model_config_that_does_not_fit(model: Path, model_config: dict[str, object], kind: str) -> None:
    with pytest.raises(VtagError) as raised:
        LLM(model, model_config=model_config)
    assert_one_line(raised, kind)


def test_a_wrong_num_labels_names_both_sizes(model: Path) -> None:
    with pytest.raises(VtagError, match=r"has 2 labels, not num_labels=3"):
        LLM(model, model_config={"num_labels": 3})


def test_another_task(model: Path) -> None:
    with pytest.raises(VtagError) as raised:
        LLM(model, task="embed")
    assert_one_line(raised, "other_task")


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["a", 1], "not_a_string"),
        ([None], "not_a_string"),
        ([b"a"], "not_a_string"),
        (["a", "b\ud800"], "lone_surrogate"),
    ],
)
def test_input_that_is_no_text(tagger: Tagger, texts: list[object], kind: str) -> None:
    with pytest.raises(VtagError) as raised:
        prepare(tagger, texts)
    assert_one_line(raised, kind)
    assert f"text {len(texts) - 1} " in str(raised.value)


def test_a_text_that_a_slow_tokenizer_cannot_align(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(["<cls>", "<pad>", "<eos>", "<unk>", *"MKTAG", "<mask>"]), "utf-8")
    tokenizer = EsmTokenizer(str(tmp_path / "vocab.txt"))
    with pytest.raises(VtagError) as raised:
        prepare(Tagger(tokenizer, {0: "O", 1: "B-X"}, 128), ["MK?T"])
    assert_one_line(raised, "no_offsets")
    assert "words=" in str(raised.value)


def test_no_message_holds_the_users_text(tagger: Tagger) -> None:
    with pytest.raises(VtagError) as raised:
        prepare(tagger, ["secret\ud800"])
    assert "secret" not in str(raised.value)


def test_a_hub_id_in_the_cache_is_found_without_network(tmp_path: Path) -> None:
    snapshot = in_hub_cache(tmp_path, "owner/tiny-tagger")
    assert checkpoint.locate("owner/tiny-tagger", download_dir=str(tmp_path)) == snapshot
    assert checkpoint.locate("owner/tiny-tagger", revision="main", download_dir=str(tmp_path)) == snapshot


def test_a_hub_id_runs_from_the_cache(tmp_path: Path) -> None:
    in_hub_cache(tmp_path, "owner/tiny-tagger")
    llm = LLM("owner/tiny-tagger", download_dir=str(tmp_path))
    assert llm.encode("The quick brown fox")[0].data.shape[1] == 2


def test_a_hub_id_that_is_not_in_the_cache_without_network(tmp_path: Path) -> None:
    with pytest.raises(VtagError) as raised:
        LLM("owner/not-there", download_dir=str(tmp_path))
    assert_one_line(raised, "hub_unreachable")


@pytest.mark.parametrize("where", [(errno.ENOSPC,), (errno.EACCES, "/cache"), (errno.EROFS, "/cache")], ids=str)
def test_a_cache_of_the_hub_that_cannot_be_written(where: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    why = os.strerror(where[0])

    def refuse(*_: object, **__: object) -> None:
        raise OSError(where[0], why, *where[1:])

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(VtagError) as raised:
        checkpoint.locate("owner/not-there")
    assert (raised.value.kind, raised.value.exit_code) == ("hub_cache_failed", 5)
    assert f"cannot be written ({why})" in str(raised.value)


def test_a_hub_that_does_not_answer(tmp_path: Path) -> None:
    """In a process of its own: huggingface_hub reads its settings when it is imported."""
    code = (
        "from vtag.model.checkpoint import locate\n"
        f"try: locate('owner/not-there', download_dir={str(tmp_path)!r})\n"
        "except Exception as error: print(error.kind)"
    )
    environment = {**_environment(), "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "hub_unreachable\n"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
