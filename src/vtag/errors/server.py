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
        EngineError, 500, 5, "the limit of open files is {limit}, but a server needs {least}: raise it (ulimit -n)"
    ),
    "bad_origin": Kind(
        SettingError, 422, 2, "--cors-origin takes scheme, host and port of a page, for example https://app.example.com"
    ),
    "serve_lora": Kind(
        SettingError, 422, 2, "vtag serve takes no LoRA adapters: merge the adapter into the model (merge_and_unload)"
    ),
    "not_for_spans": Kind(
        ModelError, 422, 3, "this server's model returns no spans ({reason}): run `vtag doctor` with its name"
    ),
    "not_per_token": Kind(
        EngineError, 503, 5, "{model}: vLLM itself returns no logits of its tokens: start it with `vtag serve`"
    ),
    "several_servers": Kind(
        SettingError,
        422,
        2,
        "api_server_count > 1 is not supported for spans: leave it at 1, and run more servers instead",
    ),
    "adapter_over_http": Kind(
        SettingError, 422, 2, "spans come from the base model only: merge the adapter into it (merge_and_unload)"
    ),
    "other_language": Kind(
        InputError, 422, 4, "this model supports {languages}: send one of these, or leave the language out"
    ),
    "no_such_tensor": Kind(InputError, 422, 4, "the tensors of this model are {names}: use these names"),
    "bad_binary": Kind(
        InputError,
        422,
        4,
        "the bytes after the JSON do not match the tensor that it describes: use a client library",
    ),
    "bad_shape": Kind(InputError, 422, 4, "shape must have as many elements as data: for n texts send [n]"),
    "empty_key": Kind(SettingError, 422, 2, "--api-key is empty: pass a key, or leave it out"),
    "bad_limit": Kind(SettingError, 422, 2, "{option} must be at least {least}"),
    "bad_json": Kind(InputError, 400, 4, "the body is not JSON in UTF-8: use a JSON library"),
    "wrong_key": Kind(SettingError, 401, 2, "no API key, or a wrong one: send the header Authorization: Bearer KEY"),
    "other_model": Kind(ModelError, 404, 3, "this server runs another model: GET /info names it"),
    "no_route": Kind(InputError, 404, 4, "no such route: GET /docs lists all routes"),
    "wrong_method": Kind(SettingError, 405, 2, "this route accepts only {methods}: use that method"),
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
        "the windows of this request have more than {limit} tokens, the limit for its length: send a smaller stride, or"
        " less at once, or raise --max-tokens",
    ),
    "too_many_scores": Kind(
        InputError,
        413,
        4,
        "the response has more than {limit} scores: send less, leave out top_k or return_tokens, or raise --max-scores",
    ),
    "vllm_body_too_large": Kind(
        InputError, 413, 4, "the body has more than {limit} bytes, the limit of vLLM's routes: send less at once"
    ),
    "vllm_text_too_long": Kind(
        InputError,
        413,
        4,
        "text {index} has more than {limit} characters or token ids, the limit of vLLM's routes: cut it, or use"
        " POST /v1/tag",
    ),
    "head_too_large": Kind(InputError, 431, 4, "the head of the request has more than {limit} bytes: send less"),
    "bad_http": Kind(InputError, 400, 4, "the request is not HTTP/1.1: use an HTTP library"),
    "foreign_host": Kind(
        InputError, 421, 4, "this server does not accept that Host: start it with --allowed-host NAME"
    ),
    "foreign_origin": Kind(
        InputError,
        403,
        4,
        "this server does not accept requests from pages of that origin: start it with --cors-origin ORIGIN",
    ),
    "not_json": Kind(InputError, 415, 4, "send JSON, not compressed, with the header Content-Type: application/json"),
    "bad_field": Kind(InputError, 422, 4, "{field} must be {expected}"),
    "unknown_field": Kind(InputError, 422, 4, "unknown field: send only {names}"),
    "unknown_label": Kind(
        InputError, 422, 4, "{field} has a label that the model does not have: GET /info lists its labels"
    ),
    "classifies_spans": Kind(
        InputError, 422, 4, "this route takes inputs, not input: to get spans, post input to /v1/tag"
    ),
    "label_not_served": Kind(
        InputError, 422, 4, "labels has a type that the model does not have: choose among {names}"
    ),
    "no_chat": Kind(
        InputError,
        422,
        4,
        "this route is for NeMo Guardrails' GLiNER rails and generates no text: send one message of the user and no"
        " options but GLiNER's",
    ),
    "no_pairs": Kind(
        InputError, 422, 4, "this server does not judge a text by a context or question: send inputs alone"
    ),
    "overloaded": Kind(EngineError, 429, 5, "{limit} requests are already pending: send this one again later"),
    "bodies_overloaded": Kind(EngineError, 429, 5, "too many bytes are already pending: send this request again later"),
    "tokens_overloaded": Kind(
        EngineError, 429, 5, "{limit} tokens of long requests are already pending: send this one again later"
    ),
    "slow_body": Kind(
        InputError, 408, 4, "the body did not arrive within {seconds} s: send it faster, or less at once"
    ),
    "streams_overloaded": Kind(EngineError, 429, 5, "{limit} streams are already under way: send this one again later"),
    "event_too_large": Kind(
        InputError, 413, 4, "an event of the stream has more than {limit} bytes: send the text in smaller pieces"
    ),
    "stream_too_large": Kind(
        InputError, 413, 4, "the stream has more than {limit} bytes: send the rest as another one"
    ),
    "idle_stream": Kind(
        InputError, 408, 4, "{seconds} s without a byte: send the text as it comes, and read the response meanwhile"
    ),
    "bad_deadline": Kind(SettingError, 422, 2, "{header} must be a number of seconds above 0"),
    "too_late": Kind(
        EngineError, 503, 5, "no response within the seconds of {header}: send it again later, or allow more"
    ),
    "text_died": Kind(
        EngineError, 503, 5, "the process of this text died: add memory to the server, or send less at once"
    ),
    "ending": Kind(EngineError, 503, 5, "this server is shutting down: send the request to another one"),
    "engine_gone": Kind(
        EngineError, 503, 5, "the engine has died and this server is shutting down: send the request to another one"
    ),
}
