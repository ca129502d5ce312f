"""A model that cannot be loaded, or is no token classifier."""

from __future__ import annotations

from vtag.errors.base import EngineError, Kind, MissingPackageError, ModelError, SettingError

TABLE: dict[str, Kind] = {
    "model_not_found": Kind(
        ModelError, 404, 3, "{model}: no such folder, and not a hub id (owner/name): check the path, or use 'demo'"
    ),
    "not_a_model": Kind(
        ModelError, 404, 3, "{model}: no config.json in this folder: pass a folder written by save_pretrained"
    ),
    "hub_unreachable": Kind(
        ModelError,
        503,
        3,
        "{model}: no such folder, not in the local cache, and the hub cannot be reached: check path or network",
    ),
    "hub_cache_failed": Kind(
        EngineError, 503, 5, "{model}: the hub's cache cannot be written ({reason}): fix that, or pass download_dir"
    ),
    "hub_not_found": Kind(
        ModelError, 404, 3, "{model}: the hub has no such model, or it is private: check the id, or `hf auth login`"
    ),
    "revision_not_found": Kind(
        ModelError, 404, 3, "{model}: no revision {revision!r}: check the branch, tag or commit"
    ),
    "no_model_name": Kind(
        ModelError, 422, 3, "model={given}: pass a folder, a hub id (owner/name), or 'demo' for the demo model"
    ),
    "bad_config": Kind(
        ModelError, 422, 3, "{model}: config.json is invalid or has no model_type: save the model again"
    ),
    "remote_code": Kind(
        ModelError, 422, 3, "{model}: has its own Python code: pass trust_remote_code=True if you trust it"
    ),
    "unsupported_architecture": Kind(
        ModelError, 422, 3, "{model}: architecture {type!r} is not supported: `vtag models` lists those that are"
    ),
    "transformers_too_old": Kind(
        ModelError,
        422,
        3,
        "{model}: {type} came with transformers {version}: install that, and a vLLM that takes it, such as 0.33",
    ),
    "needs_more": Kind(
        ModelError, 422, 3, "{model}: {type} needs {needs}, not text alone: `vtag models` lists those that take text"
    ),
    "sequence_classifier": Kind(
        ModelError, 422, 3, "{model}: labels whole texts, not tokens: name a token classifier, or the base model"
    ),
    "config_refused": Kind(
        ModelError, 422, 3, "{model}: config.json makes no {type} model ({reason}): correct it, or save the model again"
    ),
    "bad_labels": Kind(
        ModelError,
        422,
        3,
        '{model}: id2label in config.json must name each label, numbered from 0: {{"0": "O", "1": "B-X", ...}}:'
        " correct it",
    ),
    "lfs_pointer": Kind(
        ModelError, 422, 3, "{model}: {file} is a git-lfs pointer, not the file itself: run `git lfs pull` there"
    ),
    "file_damaged": Kind(
        ModelError, 422, 3, "{model}: {file} is damaged or truncated: download it, or save the model, again"
    ),
    "pickle_refused": Kind(
        ModelError,
        422,
        3,
        "{model}: {file} is damaged, or contains more than tensors, which could run code: save the model again with"
        " save_pretrained",
    ),
    "shard_missing": Kind(
        ModelError, 422, 3, "{model}: {file}, a part of the weights, is missing: download it, or save the model, again"
    ),
    "no_weights": Kind(
        ModelError, 422, 3, "{model}: no {file} in this folder: save the model again with save_pretrained"
    ),
    "shapes_disagree": Kind(
        ModelError,
        422,
        3,
        "{model}: {tensor} has the shape {found} in the weights, but {wanted} according to config.json: correct"
        " config.json, or save the model again",
    ),
    "layers_disagree": Kind(
        ModelError,
        422,
        3,
        "{model}: {tensor} is in the weights, but config.json has no such layer: correct it, or save the model again",
    ),
    "weights_not_finite": Kind(
        ModelError,
        422,
        3,
        "{model}: NaN or infinity in the weights, in {first}: download or save them again, or pass"
        ' dtype="float32" if they do not fit {dtype}',
    ),
    "tokenizer_broken": Kind(
        ModelError,
        422,
        3,
        "{model}: its tokenizer cannot be loaded, {file} is damaged: save it again (tokenizer.save_pretrained)",
    ),
    "tokenizer_missing": Kind(
        ModelError,
        422,
        3,
        "{model}: has no tokenizer, or one without a vocabulary: save it into the folder (tokenizer.save_pretrained)",
    ),
    "tokenizer_needs": Kind(
        MissingPackageError, 503, 5, "{model}: its tokenizer needs a package that is not installed: {reason}"
    ),
    "tokenizer_too_large": Kind(
        ModelError,
        422,
        3,
        "{model}: its tokenizer has ids up to {last}, but its embedding only {rows} rows: save this model's own"
        " tokenizer into the folder",
    ),
    "pickle_only": Kind(
        ModelError,
        422,
        3,
        '{model}: has only pickled weights (*.bin), which can run code: pass load_format="pt" if you trust them',
    ),
    "weights_missing": Kind(
        ModelError,
        422,
        3,
        "{model}: {count} of the model's weights are not in its files, such as {first}: download or save it again",
    ),
    "config_disagrees": Kind(
        ModelError,
        422,
        3,
        "{model}: the head has {head} labels but config.json names {config}: correct id2label in config.json",
    ),
    "no_head": Kind(
        ModelError,
        422,
        3,
        "{model}: no token-classification head in the weights: name a fine-tuned model, or pass"
        ' model_config={{"num_labels": n}} for a newly initialised head',
    ),
    "num_labels": Kind(
        ModelError, 422, 3, "{model}: the head has {head} labels, not num_labels={asked}: leave num_labels out"
    ),
    "num_labels_number": Kind(SettingError, 422, 2, "num_labels must be a whole number of at least 1"),
    "id2label_keys": Kind(
        SettingError, 422, 2, "id2label must name each label, with the keys 0 to num_labels - 1 ({labels} labels)"
    ),
    "model_config_key": Kind(
        SettingError, 422, 2, "model_config takes num_labels and id2label, not {keys}: pass engine arguments by name"
    ),
}
