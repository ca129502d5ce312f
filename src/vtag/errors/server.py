"""`vtag serve`: its start, its limits, and requests."""

from __future__ import annotations

from vtag.errors.base import EngineError, InputError, Kind, ModelError, SettingError

TABLE: dict[str, Kind] = {
    "port_taken": Kind(
        SettingError,
        500,
        5,
        "{host}, port {port}: cannot listen there ({reason}): choose another with --host or --port",
    ),
    "no_temporary_folder": Kind(
        EngineError, 500, 5, "{folder}: cannot be written ({reason}): make it writable, or name another in TMPDIR"
    ),
    "no_shared_memory": Kind(
        EngineError, 500, 5, "/dev/shm: cannot be written ({reason}): mount it writable, as a tmpfs"
    ),
    "few_files": Kind(
        EngineError, 500, 5, "{limit} files may be open at once, and a server needs {least}: raise it (ulimit -n)"
    ),
    "bad_origin": Kind(
        SettingError, 422, 2, "--cors-origin takes scheme, host and port of a page, such as https://app.example.com"
    ),
    "serve_lora": Kind(
        SettingError, 422, 2, "vtag serve takes no LoRA adapters: merge the adapter into the model (merge_and_unload)"
    ),
    "not_for_spans": Kind(
        ModelError, 422, 3, "this server's model gives no spans ({reason}): `vtag doctor` with its name says more"
    ),
    "not_per_token": Kind(
        EngineError, 503, 5, "{model}: vLLM by itself gives no logits of its tokens: start it with `vtag serve`"
    ),
    "several_servers": Kind(
        SettingError,
        422,
        2,
        "api_server_count > 1: spans come from a single API server: leave it at 1, and run more servers instead",
    ),
    "adapter_over_http": Kind(
        SettingError, 422, 2, "spans come from the base model alone: merge the adapter into it (merge_and_unload)"
    ),
    "other_language": Kind(InputError, 422, 4, "this model is for {languages}: send one of these, or leave it out"),
    "no_such_tensor": Kind(InputError, 422, 4, "the tensors of this model are {names}: name these"),
    "bad_binary": Kind(
        InputError,
        422,
        4,
        "the bytes behind the JSON are not the tensor that it tells of: let a client library write them",
    ),
    "bad_shape": Kind(InputError, 422, 4, "shape must have as many elements as data: for n texts send [n]"),
    "empty_key": Kind(SettingError, 422, 2, "--api-key is empty: pass a key, or leave it out"),
    "bad_limit": Kind(SettingError, 422, 2, "{option} must be at least {least}"),
    "bad_json": Kind(InputError, 400, 4, "the body is not JSON in UTF-8: let a JSON library write it"),
    "wrong_key": Kind(SettingError, 401, 2, "no API key, or a wrong one: send the header Authorization: Bearer KEY"),
    "other_model": Kind(ModelError, 404, 3, "this server runs another model: GET /info names it"),
    "no_route": Kind(InputError, 404, 4, "there is no such route: GET /docs lists them"),
    "wrong_method": Kind(SettingError, 405, 2, "this route takes {methods}: send that"),
    "body_too_large": Kind(
        InputError, 413, 4, "the body has more than {limit} bytes: send less at once, or raise --max-body-bytes"
    ),
    "too_many_fields": Kind(InputError, 413, 4, "an object in the body has more than {limit} fields: send less"),
    "too_many_texts": Kind(
        InputError, 413, 4, "more than {limit} texts in a request: send less at once, or raise --max-texts"
    ),
    "text_too_long": Kind(
        InputError, 413, 4, "text {index} has more than {limit} characters: cut it, or raise --max-characters"
    ),
    "too_many_values": Kind(
        InputError,
        413,
        4,
        "the body has more than {limit} values (words, texts, numbers, objects): send less, or raise --max-values",
    ),
    "too_many_tokens": Kind(
        InputError,
        413,
        4,
        "the windows of this request have more than {limit} tokens, the most for its length: send a smaller stride, or"
        " less at once, or raise --max-tokens",
    ),
    "too_many_scores": Kind(
        InputError,
        413,
        4,
        "the answer has more than {limit} scores: send less, leave out top_k or return_tokens, or raise --max-scores",
    ),
    "vllm_body_too_large": Kind(
        InputError, 413, 4, "the body has more than {limit} bytes, the most on routes of vLLM's: send less at once"
    ),
    "vllm_text_too_long": Kind(
        InputError,
        413,
        4,
        "text {index} has more than {limit} characters or token ids, the most on routes of vLLM's: cut it, or use"
        " POST /v1/tag",
    ),
    "head_too_large": Kind(InputError, 431, 4, "the head of the request has more than {limit} bytes: send less"),
    "bad_http": Kind(InputError, 400, 4, "this is not HTTP/1.1: let an HTTP library write it"),
    "foreign_host": Kind(
        InputError, 421, 4, "this server does not answer to that Host: start it with --allowed-host NAME"
    ),
    "foreign_origin": Kind(
        InputError, 403, 4, "pages of that origin may not ask this server: start it with --cors-origin ORIGIN"
    ),
    "not_json": Kind(InputError, 415, 4, "send JSON, not compressed, with the header Content-Type: application/json"),
    "bad_field": Kind(InputError, 422, 4, "{field} must be {expected}"),
    "unknown_field": Kind(InputError, 422, 4, "there is a field that is not known here: send {names} alone"),
    "unknown_label": Kind(InputError, 422, 4, "{field} has a label that the model has not: GET /info lists them"),
    "overloaded": Kind(EngineError, 429, 5, "{limit} requests are waiting already: send this one again later"),
    "bodies_overloaded": Kind(EngineError, 429, 5, "too many bytes are waiting already: send this one again later"),
    "tokens_overloaded": Kind(
        EngineError, 429, 5, "{limit} tokens of long requests are waiting already: send this one again later"
    ),
    "slow_body": Kind(
        InputError, 408, 4, "the body did not arrive within {seconds} s: send it faster, or less at once"
    ),
    "bad_deadline": Kind(SettingError, 422, 2, "{header} must be a number of seconds above 0"),
    "too_late": Kind(
        EngineError, 503, 5, "not answered within the seconds of {header}: send it again later, or allow for more"
    ),
    "text_died": Kind(
        EngineError, 503, 5, "the process of this text died: give the server more memory, or send less at once"
    ),
    "ending": Kind(EngineError, 503, 5, "this server ends: send it again to the next one"),
    "engine_gone": Kind(EngineError, 503, 5, "the engine is gone, and this server ends: send it again to the next one"),
}
