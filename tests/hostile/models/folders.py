"""Model folders that are broken, each in one way: what is done to a good folder, and the error it must end in."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.parity.checkpoints import build

WEIGHTS = "model.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 133\n"
# Made by code out of a folder, were any to run.
RAN = "code-has-run"

Spoil = Callable[[Path], None]


@dataclass(frozen=True)
class Broken:
    """One way to be broken.

    kind: the row of the table of errors.
    only: the one route where it is broken so; both, where it is None.
    options: arguments of LLM with which it is loaded.
    seen: whether it can be seen without reading the weights, as `vtag doctor` looks.
    """

    kind: str
    spoil: Spoil
    only: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    seen: bool = True


def good(route: str, folder: Path, **save: Any) -> Path:
    """A folder that can be loaded: an encoder, or a decoder that vLLM runs itself."""
    return build({"packed": "bert", "native": "qwen2"}[route], folder, seed=1, num_labels=2, **save)


def remove(*names: str) -> Spoil:
    def spoil(folder: Path) -> None:
        for name in names:
            for file in list(folder.glob(name)):
                file.unlink()

    return spoil


def rename(name: str, other: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).rename(folder / other)

    return spoil


def write(name: str, content: bytes) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return spoil


def cut(name: str, keep: float) -> Spoil:
    def spoil(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])

    return spoil


def edit(name: str, change: Callable[[dict[str, Any]], object]) -> Spoil:
    """Change the JSON of a file."""

    def spoil(folder: Path) -> None:
        content = json.loads((folder / name).read_text("utf-8"))
        change(content)
        (folder / name).write_text(json.dumps(content), "utf-8")

    return spoil


def config(**fields: Any) -> Spoil:
    return edit("config.json", lambda content: content.update(fields))


def larger(name: str) -> Spoil:
    """A number of the config is not that of the weights."""
    return edit("config.json", lambda content: content.update({name: 2 * content[name]}))


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Spoil:
    def spoil(folder: Path) -> None:
        state = load_file(folder / WEIGHTS)
        change(state)
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, folder / WEIGHTS, {"format": "pt"})

    return spoil


def tensor(part: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Spoil:
    """Change the first tensor that has `part` in its name."""

    def spoil(state: dict[str, torch.Tensor]) -> None:
        key = next(key for key in sorted(state) if part in key)
        state[key] = change(state[key])

    return tensors(spoil)


def drop(*parts: str) -> Spoil:
    def spoil(state: dict[str, torch.Tensor]) -> None:
        for key in [key for key in state if any(part in key for part in parts)]:
            del state[key]

    return tensors(spoil)


def one_number(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(values: torch.Tensor) -> torch.Tensor:
        changed = values.clone()
        changed.view(-1)[-1] = value
        return changed

    return change


def header(change: Callable[[dict[str, Any]], object]) -> Spoil:
    """Change the header of the safetensors file and nothing else."""

    def spoil(folder: Path) -> None:
        content = (folder / WEIGHTS).read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        entries = json.loads(content[8 : 8 + length])
        change(entries)
        made = json.dumps(entries).encode()
        (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(made)) + made + content[8 + length :])

    return spoil


def sharded(then: Spoil) -> Spoil:
    """Spread the weights over files, the head in one of its own."""

    def spoil(folder: Path) -> None:
        state = load_file(folder / WEIGHTS)
        names = {key: "head" if key.startswith(("score", "classifier")) else "body" for key in state}
        for part in ("head", "body"):
            save_file({k: t for k, t in state.items() if names[k] == part}, folder / f"{part}.safetensors")
        (folder / WEIGHTS).unlink()
        index = {"metadata": {}, "weight_map": {key: f"{part}.safetensors" for key, part in names.items()}}
        (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index), "utf-8")
        then(folder)

    return spoil


def pickled(then: Spoil = lambda folder: None) -> Spoil:
    def spoil(folder: Path) -> None:
        torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
        (folder / WEIGHTS).unlink()
        then(folder)

    return spoil


class Code:
    """Unpickled, it makes a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.folder / RAN,)


def code_in_the_pickle(folder: Path) -> None:
    torch.save({"weight": torch.zeros(2), "other": Code(folder)}, folder / "pytorch_model.bin")


def code_beside_the_config(folder: Path) -> None:
    (folder / "own.py").write_text(f"open({str(folder / RAN)!r}, 'w')\n", "utf-8")
    config(model_type="own", auto_map={"AutoConfig": "own.Config"})(folder)


def code_beside_the_tokenizer(folder: Path) -> None:
    (folder / "own.py").write_text(f"open({str(folder / RAN)!r}, 'w')\n", "utf-8")
    edit(
        "tokenizer_config.json",
        lambda content: content.update(tokenizer_class="Own", auto_map={"AutoTokenizer": ["own.Own", None]}),
    )(folder)
    (folder / "tokenizer.json").unlink()


def vocabulary(change: Callable[[dict[str, int]], dict[str, int]]) -> Spoil:
    def spoil(content: dict[str, Any]) -> None:
        content["model"]["vocab"] = change(content["model"]["vocab"])
        content["model"]["merges"] = [] if "merges" in content["model"] else None

    return edit("tokenizer.json", spoil)


def another_tokenizer(folder: Path) -> None:
    """Of a model that has more words."""
    vocabulary(lambda vocab: vocab | {f"word{i}": len(vocab) + i for i in range(400)})(folder)


def directory(name: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return spoil


def nothing_left(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


TOKENIZER = ("tokenizer*", "vocab*", "special_tokens_map.json", "added_tokens.json", "merges.txt")
PT = {"load_format": "pt"}
LABELS = {"0": "O", "1": "B-X"}

FOLDERS: dict[str, Broken] = {
    # config.json
    "nothing in it": Broken("not_a_model", nothing_left),
    "no config": Broken("not_a_model", remove("config.json")),
    "config is a folder": Broken("not_a_model", directory("config.json")),
    "config empty": Broken("bad_config", write("config.json", b"")),
    "config cut": Broken("bad_config", cut("config.json", 0.5)),
    "config not UTF-8": Broken("bad_config", write("config.json", b'{"model_type": "b\xe9rt"}')),
    "config a list": Broken("bad_config", write("config.json", b'["model_type"]')),
    "config nested without end": Broken("bad_config", write("config.json", b"[" * 100_000)),
    "config without model_type": Broken("bad_config", edit("config.json", lambda content: content.pop("model_type"))),
    "model_type a number": Broken("bad_config", config(model_type=5)),
    "config a pointer": Broken("lfs_pointer", write("config.json", POINTER)),
    "a picture's model": Broken("unsupported_architecture", config(model_type="vit")),
    "no such model_type": Broken("unsupported_architecture", config(model_type="none such")),
    "needs boxes": Broken("needs_more", config(model_type="layoutlm")),
    "labels whole texts": Broken("sequence_classifier", config(architectures=["BertForSequenceClassification"])),
    "own code": Broken("remote_code", code_beside_the_config),
    # its values
    "a size as a string": Broken("config_refused", config(hidden_size="32")),
    "a size of null": Broken("config_refused", config(intermediate_size=None)),
    "vocab_size a fraction": Broken("config_refused", config(vocab_size=1.5)),
    "layers a list": Broken("config_refused", config(num_hidden_layers=[2])),
    "no heads": Broken("config_refused", config(num_attention_heads=0)),
    "fewer than no heads": Broken("config_refused", config(num_attention_heads=-1)),
    "no such activation": Broken("config_refused", config(hidden_act="none such")),
    "no such dtype": Broken("config_refused", config(dtype="float99")),
    "padding outside": Broken("config_refused", config(pad_token_id=99_999)),
    "num_labels a word": Broken("config_refused", config(num_labels="two")),
    "quantised by a word": Broken("config_refused", config(quantization_config="int8")),
    "no such rope": Broken("config_refused", config(rope_parameters={"rope_type": "none such"}), only="native"),
    "no positions": Broken("config_refused", config(max_position_embeddings=0), only="native"),
    "fewer than no positions": Broken("config_refused", config(max_position_embeddings=-3)),
    "a text_config of 5": Broken("config_refused", config(text_config=5), only="native"),
    # the labels
    "labels from 1": Broken("bad_labels", config(id2label={"1": "O", "2": "B-X"})),
    "labels a list": Broken("bad_labels", config(id2label=["O", "B-X"])),
    "labels the wrong way round": Broken("bad_labels", config(id2label={"O": 0, "B-X": 1})),
    "a label of null": Broken("bad_labels", config(id2label=LABELS | {"1": None})),
    "a label without name": Broken("bad_labels", config(id2label=LABELS | {"1": ""})),
    "a label a list": Broken("bad_labels", config(id2label=LABELS | {"1": ["B-X"]})),
    "a label left out": Broken("bad_labels", config(id2label={"0": "O", "2": "B-X"})),
    "a label more than the head": Broken("config_disagrees", config(id2label=LABELS | {"2": "I-X"})),
    # config.json against the weights
    "more words than the embedding": Broken("shapes_disagree", larger("vocab_size")),
    "more positions than the table": Broken("shapes_disagree", larger("max_position_embeddings"), only="packed"),
    "wider": Broken("shapes_disagree", larger("hidden_size")),
    "wider inside": Broken("shapes_disagree", larger("intermediate_size")),
    "more layers": Broken(
        "weights_missing",
        edit("config.json", lambda content: content.update(num_hidden_layers=3, layer_types=["full_attention"] * 3)),
    ),
    "fewer layers": Broken(
        "layers_disagree",
        edit("config.json", lambda content: content.update(num_hidden_layers=1, layer_types=["full_attention"])),
    ),
    "no layers": Broken(
        "layers_disagree",
        edit("config.json", lambda content: content.update(num_hidden_layers=0, layer_types=[])),
        only="packed",
    ),
    # the weights
    "no weights": Broken("no_weights", remove(WEIGHTS)),
    "weights of another name": Broken("no_weights", rename(WEIGHTS, "other.safetensors")),
    "weights of 0 bytes": Broken("file_damaged", write(WEIGHTS, b"")),
    "weights of 4 bytes": Broken("file_damaged", write(WEIGHTS, b"\x01\0\0\0")),
    "weights a pointer": Broken("lfs_pointer", write(WEIGHTS, POINTER)),
    "weights a web page": Broken("file_damaged", write(WEIGHTS, b"<!doctype html><title>404</title>" * 9)),
    "weights noise": Broken("file_damaged", write(WEIGHTS, bytes(range(256)) * 99)),
    "a huge header": Broken("file_damaged", write(WEIGHTS, struct.pack("<Q", 1 << 62) + b"{}")),
    "a header as long as memory": Broken("file_damaged", write(WEIGHTS, struct.pack("<Q", 90_000_000) + b"{}")),
    "a header that is no JSON": Broken("file_damaged", write(WEIGHTS, struct.pack("<Q", 8) + b"not json")),
    "a header of a list": Broken("file_damaged", write(WEIGHTS, struct.pack("<Q", 8) + b"[1, 2, 3")),
    "cut in the header": Broken("file_damaged", cut(WEIGHTS, 0.01)),
    "cut in the data": Broken("file_damaged", cut(WEIGHTS, 0.9)),
    "bytes too many": Broken(
        "file_damaged", lambda folder: write(WEIGHTS, (folder / WEIGHTS).read_bytes() + b"more")(folder)
    ),
    "a tensor without shape": Broken("file_damaged", header(lambda entries: entries[max(entries)].pop("shape"))),
    "a tensor outside": Broken(
        "file_damaged", header(lambda entries: entries[max(entries)].update(data_offsets=[1 << 40, 1 << 41]))
    ),
    "a type that is none": Broken("file_damaged", header(lambda entries: entries[max(entries)].update(dtype="X9"))),
    "no tensor at all": Broken("weights_missing", tensors(lambda state: state.clear())),
    "a layer missing": Broken("weights_missing", drop("layers.1.", "layer.1.")),
    "a bias missing": Broken("weights_missing", drop("layer.1.output.dense.bias"), only="packed"),
    "the embedding missing": Broken("weights_missing", drop("embed_tokens", "word_embeddings")),
    "no head": Broken("no_head", drop("classifier", "score")),
    "a head of another name": Broken(
        "no_head", tensors(lambda state: state.update(score=state.pop("classifier.weight"))), only="packed"
    ),
    "a matrix cut": Broken("shapes_disagree", tensor("down_proj", lambda t: t[:-1]), only="native"),
    "a matrix too long": Broken("shapes_disagree", tensor("q_proj.weight", lambda t: t.repeat(2, 1)), only="native"),
    "a matrix on its side": Broken(
        "shapes_disagree", tensor("intermediate.dense.weight", lambda t: t.T), only="packed"
    ),
    "a vector too long": Broken("shapes_disagree", tensor("norm", lambda t: t.repeat(2)), only="native"),
    "one NaN": Broken("weights_not_finite", tensor("weight", one_number(float("nan"))), seen=False),
    "infinity in a norm": Broken("weights_not_finite", tensor("orm.weight", one_number(float("inf"))), seen=False),
    "NaN in the head": Broken(
        "weights_not_finite",
        tensors(lambda state: state.update({k: t * float("nan") for k, t in state.items() if k[:5] in "classcore"})),
        seen=False,
    ),
    # in parts
    "a missing part": Broken("shard_missing", sharded(remove("body.safetensors"))),
    "the head's part missing": Broken("shard_missing", sharded(remove("head.safetensors"))),
    "a part cut": Broken("file_damaged", sharded(cut("head.safetensors", 0.5))),
    "a part a pointer": Broken("lfs_pointer", sharded(write("body.safetensors", POINTER))),
    "an index cut": Broken("file_damaged", sharded(cut(f"{WEIGHTS}.index.json", 0.5))),
    "an index of a list": Broken("file_damaged", sharded(write(f"{WEIGHTS}.index.json", b"[]"))),
    "an index without metadata": Broken(
        "file_damaged", sharded(edit(f"{WEIGHTS}.index.json", lambda content: content.pop("metadata")))
    ),
    "an index of numbers": Broken("file_damaged", sharded(write(f"{WEIGHTS}.index.json", b'{"weight_map": {"a": 1}}'))),
    # pickles
    "only a pickle": Broken("pickle_only", pickled()),
    "only a pickle that runs code": Broken("pickle_only", pickled(code_in_the_pickle)),
    "a pickle that runs code": Broken("pickle_refused", pickled(code_in_the_pickle), options=PT),
    "a pickle of 0 bytes": Broken("pickle_refused", pickled(write("pytorch_model.bin", b"")), options=PT),
    "a pickle cut": Broken("pickle_refused", pickled(cut("pytorch_model.bin", 0.5)), options=PT),
    "a pickle of noise": Broken("pickle_refused", pickled(write("pytorch_model.bin", b"noise" * 99)), options=PT),
    "a pickle of a list": Broken(
        "pickle_refused", pickled(lambda folder: torch.save([1], folder / "pytorch_model.bin")), options=PT
    ),
    "a pickle a pointer": Broken("lfs_pointer", pickled(write("pytorch_model.bin", POINTER)), options=PT),
    "no pickle": Broken("no_weights", lambda folder: None, options=PT, seen=False),
    # the tokenizer
    "no tokenizer": Broken("tokenizer_missing", remove(*TOKENIZER)),
    "no vocabulary": Broken("tokenizer_missing", remove("tokenizer.json", "vocab*", "merges.txt")),
    "special tokens alone": Broken("tokenizer_missing", vocabulary(lambda vocab: dict(list(vocab.items())[:3]))),
    "tokenizer empty": Broken("tokenizer_broken", write("tokenizer.json", b"")),
    "tokenizer cut": Broken("tokenizer_broken", cut("tokenizer.json", 0.5)),
    "tokenizer {}": Broken("tokenizer_broken", write("tokenizer.json", b"{}")),
    "tokenizer a list": Broken("tokenizer_broken", write("tokenizer.json", b"[1]")),
    "tokenizer a pointer": Broken("lfs_pointer", write("tokenizer.json", POINTER)),
    "tokenizer without model": Broken("tokenizer_broken", edit("tokenizer.json", lambda content: content.pop("model"))),
    "tokenizer_config cut": Broken("tokenizer_broken", cut("tokenizer_config.json", 0.5)),
    "a longest text that is no number": Broken(
        "tokenizer_broken", edit("tokenizer_config.json", lambda content: content.update(model_max_length=[512]))
    ),
    "another model's tokenizer": Broken("tokenizer_too_large", another_tokenizer),
    "a tokenizer of own code": Broken("remote_code", code_beside_the_tokenizer),
}
CASES = [
    (name, route) for name, broken in FOLDERS.items() for route in ("packed", "native") if broken.only in (None, route)
]
