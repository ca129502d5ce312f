"""The engine: its start, its end, its kernels and adapters; the demo model and the benchmark, which start one."""

from __future__ import annotations

from vtag.errors.base import EngineError, InputError, Kind, MissingPackageError, ModelError, SettingError

TABLE: dict[str, Kind] = {
    "engine_failed": Kind(EngineError, 500, 5, "{model}: the engine did not start: {reason}"),
    "closed": Kind(EngineError, 503, 5, "this LLM is closed: create a new one"),
    "forked": Kind(
        EngineError,
        500,
        5,
        "this LLM belongs to the parent of this forked process: create the LLM in the process that uses it, and start"
        " that by spawn",
    ),
    "cannot_import": Kind(
        MissingPackageError, 503, 5, "{reason}: `vtag doctor` shows what is missing, and which versions vtag runs with"
    ),
    "internal": Kind(EngineError, 500, 70, "unexpected {type}: VTAG_DEBUG=1 shows where; please report it"),
    "engine_is_made": Kind(
        SettingError, 422, 2, "{names}: this LLM has already started: pass these arguments to LLM(...)"
    ),
    "logits_not_finite": Kind(
        ModelError,
        500,
        3,
        '{model}: NaN or infinity in its logits: pass dtype="float32", or check its weights if the dtype was float32',
    ),
    "kernel_wrong": Kind(
        EngineError,
        500,
        5,
        "{kernel}: wrong on this CPU, {cpu}: off by {off}, where {usual} is the limit: choose another dtype or"
        " quantization, and report what vtag doctor prints",
    ),
    "kernel_failed": Kind(
        EngineError,
        500,
        5,
        "{kernel}: no result on this CPU, {cpu} ({reason}): choose another dtype or quantization, and report what vtag"
        " doctor prints",
    ),
    "int8_saturates": Kind(
        ModelError,
        422,
        3,
        "{model}: vLLM's int8 matmuls are wrong on this CPU, which has no VNNI: use vtag serve",
    ),
    "int8_on_gpu": Kind(
        SettingError, 422, 2, "quantization=int8 is for CPUs: leave it out, or use one of vLLM's methods"
    ),
    "quantised_float32": Kind(
        SettingError, 422, 2, "{model}: its quantised weights do not run in float32 on a CPU with AMX: leave dtype out"
    ),
    "nothing_int8": Kind(
        SettingError, 422, 2, "{model_type} models have no layer that runs in int8: leave quantization out"
    ),
    "packed_parallel": Kind(
        SettingError,
        422,
        2,
        "{argument} > 1 is not supported for this architecture: set it to 1 and run one engine per device",
    ),
    "packed_lora": Kind(
        SettingError,
        422,
        2,
        "LoRA is not supported for this architecture: merge the adapter into the model first (peft's merge_and_unload)",
    ),
    "text_not_covered": Kind(
        EngineError, 500, 70, "the windows of a text leave out some of it, so that it is not answered: report this"
    ),
    "lora_off": Kind(SettingError, 422, 2, "this engine was started without LoRA: pass enable_lora=True to LLM"),
    "lora_count": Kind(
        SettingError,
        422,
        2,
        "{adapters} LoRA requests for {texts} texts: pass one for all texts, or a list with one per text",
    ),
    "lora_not_found": Kind(
        ModelError,
        404,
        3,
        "LoRA adapter {adapter}: no adapter_config.json in its folder: pass a folder written by peft's save_pretrained",
    ),
    "lora_refused": Kind(
        ModelError,
        422,
        3,
        "LoRA adapter {adapter}: {reason} Otherwise merge it into the model first (peft's merge_and_unload)",
    ),
    "lora_head": Kind(
        ModelError,
        422,
        3,
        "LoRA adapter {adapter}: it has its own head, which the engine cannot switch per request:"
        " merge it into the model first (peft's merge_and_unload)",
    ),
    "demo_missing": Kind(
        MissingPackageError,
        503,
        5,
        'the demo model needs packages that are not installed: pip install "vllm-vtag[demo]"',
    ),
    "cache_failed": Kind(
        EngineError, 503, 5, "{path}: cannot be written ({reason}): fix that, or set VTAG_CACHE to another folder"
    ),
    "no_texts": Kind(InputError, 422, 4, '{path}: has no texts: name a file with texts in the field "text"'),
    "bench_died": Kind(EngineError, 500, 5, "the process of an engine died: free memory, or use a smaller model"),
}
