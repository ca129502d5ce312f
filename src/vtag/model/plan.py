"""From a model's name and options to everything that an engine and a Tagger need; models and options
are refused here.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtag.decode import calibration
from vtag.errors import ModelError, error
from vtag.model import arguments, checkpoint, engine_settings, weights
from vtag.model import tokenizer as tokenizers
from vtag.model.architectures import ARCHITECTURES, ENCODER, PACKED, max_length
from vtag.model.checkpoint import Checkpoint
from vtag.system import device, environment
from vtag.tagger import Tagger

TASK = "token_classification"


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How a model will run, known before its engine starts.

    name: the model as the user calls it.
    packed: whether it runs on the packed route, with many texts a request, or natively.
    limit: the longest window, in tokens.
    id2label: the model's own labels.
    tagger: its Tagger.
    arguments: vLLM's engine arguments, `model` (the folder) included.
    """

    name: str
    checkpoint: Checkpoint
    packed: bool
    limit: int
    id2label: dict[int, str]
    tagger: Tagger
    arguments: dict[str, Any]

    @property
    def architecture(self) -> str:
        """vtag's name of the model class in vLLM's registry."""
        return str(self.arguments["hf_overrides"]["architectures"][0])

    @property
    def vocabulary(self) -> int:
        """The number of valid token ids; a larger id is outside of the embedding and would crash the engine."""
        return self.tagger.vocabulary


def make_plan(
    model: str | Path,
    *,
    task: str = TASK,
    model_config: dict[str, Any] | None = None,
    label_map: Mapping[str, str] | None = None,
    scheme: str | None = None,
    words_rule: str = "auto",
    operating_point: str = "default",
    **engine: Any,
) -> Plan:
    """Find the model and decide how it runs. Arguments are those of `vtag.LLM`; raises ModelError and SettingError."""
    if task != TASK:
        raise error("other_task", task=task)
    arguments.check(engine)
    name = str(model)
    pickle, remote_code = engine.get("load_format") == "pt", bool(engine.get("trust_remote_code"))
    folder = checkpoint.locate(
        model,
        revision=engine.pop("revision", None),
        download_dir=engine.get("download_dir"),
        pickle=pickle,
        remote_code=remote_code,
    )
    with environment.quiet():
        found = checkpoint.read(folder, name=name, pickle=pickle, remote_code=remote_code)
        tokenizer = tokenizers.load(
            str(engine.get("tokenizer") or folder),
            name,
            mode=engine.get("tokenizer_mode", "auto"),
            revision=engine.get("tokenizer_revision"),
            remote_code=remote_code,
        )
    tokenizers.check(tokenizer, embedding_rows(found.config), name)
    id2label, fresh = checkpoint.labels_for(found, name, model_config)
    int8 = engine.get("quantization") == "int8"
    if int8:
        del engine["quantization"]  # not one of vLLM's methods
        if device.on_cuda():
            raise error("int8_on_gpu")
    packed = int8 or not engine_settings.runs_natively(found.row, found.config)
    if packed:
        _check_packed(engine)
    elif not engine_settings.quantised_weights_run(found.config, engine.get("dtype")):
        raise error("quantised_float32", model=name)
    longest = 1 << 30 if packed or device.on_cuda() else engine_settings.NATIVE_TOKENS
    limit = min(max_length(found.config), engine.pop("max_model_len", None) or longest)

    biases = calibration.load(folder, operating_point)
    tagger = _tagger(
        found, tokenizer, id2label, limit, label_map=label_map, scheme=scheme, words=words_rule, biases=biases
    )
    settings = engine_settings.packed(limit, found.config) if packed else engine_settings.native(limit, found.config)
    settings |= {"served_model_name": name, "runner": "pooling"} | engine | {"model": str(folder)}
    settings["hf_overrides"] = {
        **(engine.get("hf_overrides") or {}),
        "architectures": [PACKED if packed else found.row.vllm_name],
        "id2label": id2label,
        "label2id": {label: i for i, label in id2label.items()},
    }
    if packed:
        # vLLM must treat the packed model as ids in, rows out, whatever the module is.
        settings["hf_overrides"] |= {"is_encoder_decoder": False, "vtag_int8": int8}
        if not getattr(found.config.get_text_config(), "vocab_size", 0):
            settings["hf_overrides"]["vocab_size"] = 1  # CANINE hashes its ids; vLLM on a GPU divides by this number
    else:
        files = weights.files(folder, name, pickle)
        settings["hf_overrides"]["vtag_weights"] = files[0].name if len(files) == 1 else None
        if pickle:
            settings["load_format"] = "auto"  # in vLLM, "pt" means files called *.pt
    if fresh:
        warnings.warn(
            f"{name}: the head is newly initialised ({len(id2label)} labels): train it before use", stacklevel=3
        )
    return Plan(name, found, packed, limit, id2label, tagger, settings)


def of_engine(config: Any, tokenizer: Any) -> Plan:
    """The plan of an engine that vLLM started itself: one window a request, no longer than vLLM allows.

    config: its VllmConfig. Raises ModelError for a broken calibration file, and where vLLM's int8 results are wrong.
    """
    model = config.model_config
    hf = model.hf_config
    row = ARCHITECTURES.get(hf.model_type)
    limit: int = model.max_model_len if row is None else min(model.max_model_len, row.limit(hf))
    name = str(model.served_model_name)
    if not engine_settings.int8_weights_run(hf):
        raise error("int8_saturates", model=name)
    try:
        folder = checkpoint.locate(model.model, revision=model.revision, download_dir=config.load_config.download_dir)
    except ModelError:
        folder = Path(model.model)  # a source that only vLLM knows: no calibration then
    found = Checkpoint(folder, hf, row or ENCODER, hf.num_labels)
    id2label = {int(i): str(label) for i, label in hf.id2label.items()}
    tagger = _tagger(found, tokenizer, id2label, limit, biases=calibration.load(folder, "default"))
    return Plan(name, found, False, limit, id2label, tagger, {"model": model.model})


def _tagger(found: Checkpoint, tokenizer: Any, id2label: dict[int, str], limit: int, **options: Any) -> Tagger:
    return Tagger(
        tokenizer,
        id2label,
        limit,
        causal=found.row.causal,
        multi_label=getattr(found.config, "problem_type", None) == "multi_label_classification",
        vocabulary=embedding_rows(found.config) or 1 << 30,
        **options,
    )


def embedding_rows(config: Any) -> int | None:
    """The size of the embedding; None if the model has none."""
    return getattr(config.get_text_config(), "vocab_size", None)


def _check_packed(engine: Mapping[str, Any]) -> None:
    """Raise SettingError for features that vLLM supports only for its own models."""
    if engine.get("enable_lora"):
        raise error("packed_lora")
    for argument in ("tensor_parallel_size", "pipeline_parallel_size"):
        if (engine.get(argument) or 1) > 1:
            raise error("packed_parallel", argument=argument)
