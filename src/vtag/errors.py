"""The one table of what can go wrong: kind -> class, HTTP status, exit code, message with the mend.

Every message is one line, says how to mend the thing, and never holds text of the user's.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class VtagError(Exception):
    """Base of all errors that vtag raises on purpose. `kind` is the row of the table."""

    kind: str = "internal"

    @property
    def status(self) -> int:
        """HTTP status."""
        return TABLE[self.kind].status

    @property
    def exit_code(self) -> int:
        """Exit code of the command line."""
        return TABLE[self.kind].exit_code

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.kind, str(self))


class InputError(VtagError, ValueError):
    """A text, or a list of texts, that cannot be tagged."""


class ModelError(VtagError, ValueError):
    """A model that cannot be loaded or has no usable token-classification head."""


class SettingError(VtagError, ValueError):
    """An option that does not exist or does not fit."""


class MissingPackageError(VtagError, ImportError):
    """An optional package that the called feature needs."""


class EngineError(VtagError, RuntimeError):
    """The engine failed or was not used as it must be."""


class Kind(NamedTuple):
    """One row of the table."""

    error: type[VtagError]
    status: int
    exit_code: int
    message: str


# Of the command line: Ctrl-C, as shells have it.
INTERRUPTED = 130
# Exit codes: 2 the command line's words, 3 the model, 4 the input, 5 the machine or its set-up; 6, of no error in this
# table: `vtag run` is through, but some records could not be tagged.
TABLE: dict[str, Kind] = {
    # the model
    "model_not_found": Kind(
        ModelError, 404, 3, "{model}: no such folder, and not a hub id (owner/name): check the path, or say 'demo'"
    ),
    "not_a_model": Kind(
        ModelError, 404, 3, "{model}: no config.json in this folder: name a folder made by save_pretrained"
    ),
    "hub_unreachable": Kind(
        ModelError,
        503,
        3,
        "{model}: no such folder, not in the local cache, and the hub cannot be reached: check path or network",
    ),
    "hub_cache_failed": Kind(
        EngineError, 503, 5, "{model}: the hub's cache cannot be written ({reason}): mend that, or pass download_dir"
    ),
    "hub_not_found": Kind(
        ModelError, 404, 3, "{model}: the hub has no such model, or it is private: check the id, or `hf auth login`"
    ),
    "revision_not_found": Kind(
        ModelError, 404, 3, "{model}: no revision {revision!r}: check the branch, tag or commit"
    ),
    "no_model_name": Kind(
        ModelError, 422, 3, "model={given}: name a folder, a hub id (owner/name), or 'demo' for the demo model"
    ),
    "bad_config": Kind(
        ModelError, 422, 3, "{model}: config.json is broken or names no model_type: save the model again"
    ),
    "remote_code": Kind(
        ModelError, 422, 3, "{model}: brings its own Python code: pass trust_remote_code=True if you trust it"
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
        ModelError, 422, 3, "{model}: {file} is git-lfs's pointer, not the file itself: run `git lfs pull` there"
    ),
    "file_damaged": Kind(
        ModelError, 422, 3, "{model}: {file} is damaged, or was cut off: download it, or save the model, again"
    ),
    "pickle_refused": Kind(
        ModelError,
        422,
        3,
        "{model}: {file} is damaged, or holds more than tensors, which could run code: save the model again with"
        " save_pretrained",
    ),
    "shard_missing": Kind(
        ModelError, 422, 3, "{model}: {file} is missing, a part of the weights: download it, or save the model, again"
    ),
    "no_weights": Kind(
        ModelError, 422, 3, "{model}: no {file} in this folder: save the model again with save_pretrained"
    ),
    "shapes_disagree": Kind(
        ModelError,
        422,
        3,
        "{model}: {tensor} has the shape {found} in the weights and {wanted} by config.json: correct config.json, or"
        " save the model again",
    ),
    "layers_disagree": Kind(
        ModelError,
        422,
        3,
        "{model}: {tensor} is in the weights, and config.json has no such layer: correct it, or save the model again",
    ),
    "weights_not_finite": Kind(
        ModelError,
        422,
        3,
        "{model}: NaN or infinity in the weights, in {first}: download or save them again, or pass"
        ' dtype="float32" if they do not fit {dtype}',
    ),
    "logits_not_finite": Kind(
        ModelError,
        500,
        3,
        '{model}: NaN or infinity in its logits: pass dtype="float32", or check its weights if it ran in that',
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
        "{model}: its tokenizer has ids up to {last}, its embedding {rows} rows: save the tokenizer of this very model"
        " into the folder",
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
        ModelError, 422, 3, "{model}: the head has {head} labels, num_labels={asked} was asked: leave num_labels out"
    ),
    "num_labels_number": Kind(SettingError, 422, 2, "num_labels must be a whole number of at least 1"),
    "id2label_keys": Kind(
        SettingError, 422, 2, "id2label must name each label, with the keys 0 to num_labels - 1 ({labels} labels)"
    ),
    "model_config_key": Kind(
        SettingError, 422, 2, "model_config takes num_labels and id2label, not {keys}: pass engine arguments by name"
    ),
    "other_task": Kind(SettingError, 422, 2, "task={task!r} is not token classification: use vllm.LLM for other tasks"),
    # the machine and its set-up
    "engine_failed": Kind(EngineError, 500, 5, "{model}: the engine did not start: {reason}"),
    "closed": Kind(EngineError, 503, 5, "this LLM is closed: make a new one"),
    "forked": Kind(
        EngineError,
        500,
        5,
        "this LLM lives in the process that made it, of which this one is a fork: make the LLM in the process that uses"
        " it, started by spawn",
    ),
    "cannot_import": Kind(
        MissingPackageError, 503, 5, "{reason}: `vtag doctor` says what is missing, and which versions vtag runs with"
    ),
    "internal": Kind(EngineError, 500, 70, "unexpected {type}: VTAG_DEBUG=1 shows where; please report it"),
    "no_texts": Kind(InputError, 422, 4, '{path}: has no texts: name a file with texts in the field "text"'),
    "bench_died": Kind(
        EngineError, 500, 5, "the process of an engine died (exit code {code}): free memory, or use a smaller model"
    ),
    "demo_missing": Kind(
        MissingPackageError, 503, 5, 'the demo model needs packages that are not installed: pip install "vtag[demo]"'
    ),
    "cache_failed": Kind(
        EngineError, 503, 5, "{path}: cannot be written ({reason}): mend that, or name another folder in VTAG_CACHE"
    ),
    # labels and decoding
    "unknown_scheme": Kind(SettingError, 422, 2, "scheme={scheme}: no such tag scheme: use one of {names}"),
    "scheme_mismatch": Kind(
        SettingError,
        422,
        2,
        "scheme={scheme}: the labels have the prefixes {prefixes}: leave scheme= out, or name another",
    ),
    "bad_words": Kind(SettingError, 422, 2, "words={words}: use one of {names}"),
    "bad_calibration": Kind(
        ModelError,
        422,
        3,
        "{path}: not a Viterbi calibration ({reason}): mend the file, or remove it to decode without",
    ),
    "unknown_operating_point": Kind(
        SettingError, 422, 2, "operating_point={point}: the calibration file has {names}: use one of these"
    ),
    # the input
    "not_a_string": Kind(InputError, 422, 4, "text {index} is {type}, not a string: pass strings"),
    "input_or_words": Kind(InputError, 422, 4, "give either {input} or words: neither is there, or both are"),
    "not_texts": Kind(
        InputError,
        422,
        4,
        "{what} are {type}: pass them in a list, a generator, an array or a Series (of a table: one column)",
    ),
    "words_string": Kind(InputError, 422, 4, "words are a string: pass a list of words, or texts instead of words"),
    "not_a_prompt": Kind(InputError, 422, 4, "prompt {index} is {type}: pass a string or a list of token ids"),
    "empty_prompt": Kind(InputError, 422, 4, "prompt {index} has no token ids: pass one at least"),
    "id_outside": Kind(
        InputError, 422, 4, "a token id is outside of the model's vocabulary of {size}: use the model's own tokenizer"
    ),
    "prompt_too_long": Kind(
        InputError,
        422,
        4,
        "a prompt of {tokens} tokens is longer than the model's {limit}: leave pooling_task and pooling_params out,"
        " and it runs in windows",
    ),
    "packed_lora": Kind(
        SettingError,
        422,
        2,
        "LoRA does not go with this architecture: merge the adapter into the model first (peft's merge_and_unload)",
    ),
    "lora_off": Kind(SettingError, 422, 2, "this engine was started without LoRA: pass enable_lora=True to LLM"),
    "lora_count": Kind(
        SettingError,
        422,
        2,
        "{adapters} LoRA requests for {texts} texts: pass one for all, or a list with one per text",
    ),
    "lora_not_found": Kind(
        ModelError,
        404,
        3,
        "LoRA adapter {adapter}: no adapter_config.json in its folder: name one made by peft's save_pretrained",
    ),
    "lora_refused": Kind(
        ModelError,
        422,
        3,
        "LoRA adapter {adapter}: {reason} Or merge it into the model first (peft's merge_and_unload)",
    ),
    "lora_head": Kind(
        ModelError,
        422,
        3,
        "LoRA adapter {adapter}: it brings a head of its own, which the engine cannot change by request:"
        " merge it into the model first (peft's merge_and_unload)",
    ),
    "packed_parallel": Kind(
        SettingError,
        422,
        2,
        "{argument} > 1 does not go with this architecture: leave it at 1 and run one engine per device",
    ),
    "not_words": Kind(InputError, 422, 4, "words[{index}] is not a list of strings: pass one list of words per text"),
    "lone_surrogate": Kind(
        InputError,
        422,
        4,
        "text {index} has half of a surrogate pair at character {position}: read it with the right encoding",
    ),
    "tokenizer_fails": Kind(
        InputError,
        422,
        4,
        "text {index}: the model's tokenizer fails on it: leave it out, or give tokenizer.json an unknown token",
    ),
    "no_offsets": Kind(
        InputError,
        422,
        4,
        "text {index}: this model's tokenizer gives no offsets and its pieces do not spell the text:"
        " pass words=[[...], ...]",
    ),
    # files
    "no_such_format": Kind(SettingError, 422, 2, "no such format: choose one of {names}"),
    "bad_delimiter": Kind(
        SettingError,
        422,
        2,
        "delimiter={given}: is between the fields of CSV: pass one character, such as ; or \\t, for CSV inputs",
    ),
    "json_array": Kind(InputError, 422, 4, "{file}: is no JSON Lines but one array: pass --format json"),
    "unknown_format": Kind(
        SettingError, 422, 2, "{path}: its extension tells no format: pass --format, one of {names}"
    ),
    "unknown_output": Kind(SettingError, 422, 2, "the output's extension tells no format: use one of {names}"),
    "nothing_to_read": Kind(
        InputError, 422, 4, "{path}: no file of a known extension there: check the path, or pass --format ({names})"
    ),
    "input_is_output": Kind(SettingError, 422, 2, "{path}: would be read and written at once: name another output"),
    "input_gone": Kind(
        InputError, 422, 4, "{path}: there is no such file, or it may not be read: check the path and its rights"
    ),
    "input_broken": Kind(
        InputError, 422, 4, "{path}: is damaged after record {record}: replace the file, and begin anew with --restart"
    ),
    "bad_header": Kind(
        InputError, 422, 4, "{file}: its header is not UTF-8 or names a field twice: mend it, each field needs a name"
    ),
    "no_text_field": Kind(
        InputError,
        422,
        4,
        "{path}: has no field {field!r}: pass --text-field or --words-field with one of those there: {names}",
    ),
    "field_taken": Kind(
        InputError,
        422,
        4,
        "{path}: has a field {field!r} already: name another for the spans (--spans-field), or pass --overwrite-field",
    ),
    "bad_record": Kind(
        InputError, 422, 4, "{path}: record {record}: {reason}: mend it, or run without --strict to leave it out"
    ),
    "output_exists": Kind(
        SettingError, 422, 2, "{output}: exists already: name another output, or pass --restart to write it anew"
    ),
    "output_busy": Kind(
        EngineError, 503, 5, "{output}: another run is writing it: wait for that one, or name another output"
    ),
    "output_lost": Kind(
        EngineError, 500, 5, "{path}: less is there than its journal says: put it back, or begin anew with --restart"
    ),
    "output_failed": Kind(
        EngineError,
        500,
        5,
        "{output}: cannot be written ({reason}): mend that; the same command then goes on where this one stopped",
    ),
    "page_failed": Kind(EngineError, 500, 5, "{path}: cannot be written ({reason}): name another file after --html"),
    "another_run": Kind(
        SettingError,
        422,
        2,
        "{output}: was begun with another {what}: give it as it was, name another output, or begin anew with --restart",
    ),
    "engine_is_made": Kind(SettingError, 422, 2, "{names}: this LLM is made already: pass such arguments to LLM(...)"),
    "files_missing": Kind(
        MissingPackageError, 503, 5, '{what} files need packages that are not installed: pip install "vtag[files]"'
    ),
    # many machines
    "ray_missing": Kind(MissingPackageError, 503, 5, 'Ray is not installed: pip install "vtag[ray]"'),
    "no_cluster": Kind(
        EngineError,
        503,
        5,
        "{address}: no Ray cluster lets us in ({reason}): check the address, and its token (RAY_AUTH_MODE=token)",
    ),
    "node_failed": Kind(EngineError, 500, 5, "node {node}: {reason}"),
    "node_differs": Kind(
        EngineError,
        500,
        5,
        "node {node}: has another {what} than this machine: copy the model and the packages to all nodes alike, and"
        " pass --dtype",
    ),
    "workers_die": Kind(
        EngineError,
        500,
        5,
        "node {node}: workers die while they start: see to its packages, memory and logs",
    ),
    "no_room": Kind(
        EngineError,
        503,
        5,
        "no node of the cluster has {wants} free for a worker: add nodes, or ask for less (--cpus-per-worker,"
        " --gpus-per-worker)",
    ),
    "kills_process": Kind(
        InputError, 500, 4, "text {index}: the process that tags it dies of it, each time: leave it out, and report it"
    ),
    "not_arrow": Kind(
        SettingError, 422, 2, 'batches are {type}, not Arrow tables: pass batch_format="pyarrow" to map_batches'
    ),
    "ray_to_stdout": Kind(SettingError, 422, 2, "--ray writes to files: name one after -o"),
    "ray_only": Kind(SettingError, 422, 2, "{option} goes with --ray: add that, or leave it out"),
    "bad_workers": Kind(SettingError, 422, 2, "--workers must be MIN:MAX, or one number of at least 1"),
    # the server
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
    # integrations
    "presidio_missing": Kind(MissingPackageError, 503, 5, 'Presidio is not installed: pip install "vtag[presidio]"'),
    "server_unreachable": Kind(
        EngineError, 503, 5, "{url}: no server answers there ({reason}): start `vtag serve`, or correct the address"
    ),
    "server_refused": Kind(EngineError, 502, 5, "{url}: answers {status}: {reason}"),
    # options
    "no_stdin": Kind(InputError, 422, 2, "stdin is closed: pipe the input in, or name files"),
    "stdin_failed": Kind(InputError, 422, 4, "stdin cannot be read ({reason}): pipe the texts in, one a line"),
    "not_utf8": Kind(
        InputError, 422, 4, "line {line} is not UTF-8: convert the input first, such as by iconv -f latin1 -t utf-8"
    ),
    "bad_line": Kind(InputError, 422, 4, "line {line}: {reason}: leave it out, or use vtag run, which goes on past it"),
    "stdout_failed": Kind(EngineError, 500, 5, "stdout cannot be written ({reason}): mend that, or write to a file"),
    "no_text": Kind(InputError, 422, 2, "no text: give texts after the model, or pipe them in, one a line"),
    "bad_pair": Kind(SettingError, 422, 2, "{option} takes NAME=VALUE, such as {option} max_num_seqs=8"),
    "unknown_strategy": Kind(
        SettingError, 422, 2, "aggregation_strategy={strategy}: no such strategy: choose one of {names}"
    ),
    "bad_ignore_labels": Kind(
        SettingError, 422, 2, 'ignore_labels={given}: must be a list of labels: pass such as ["O", "DATE"], or []'
    ),
    "no_such_label": Kind(SettingError, 422, 2, "{option}: the model has no label {label}: choose among {names}"),
    "stride_number": Kind(SettingError, 422, 2, "stride={stride}: must be a whole number of tokens"),
    "unknown_argument": Kind(SettingError, 422, 2, "{name}: LLM has no such argument: {mend}"),
    "bad_argument": Kind(SettingError, 422, 2, "{name}={value}: must be {expected}"),
    "engine_argument": Kind(SettingError, 422, 2, "{model}: the engine refuses an argument: {reason}"),
    "no_tokenization_kwargs": Kind(
        SettingError, 422, 2, "tokenization_kwargs go with pooling_task alone: leave them out, texts are never cut"
    ),
    "needs_fast_tokenizer": Kind(
        SettingError,
        422,
        2,
        "{strategy} needs a fast tokenizer, which this model has not: use aggregation_strategy=simple",
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
        "{model}: vLLM's own products of its int8 weights are wrong on this CPU, which has no VNNI: use vtag serve",
    ),
    "int8_on_gpu": Kind(SettingError, 422, 2, "quantization=int8 is for CPUs: leave it out, or use a method of vLLM's"),
    "quantised_float32": Kind(
        SettingError, 422, 2, "{model}: its quantised weights do not run in float32 on a CPU with AMX: leave dtype out"
    ),
    "nothing_int8": Kind(
        SettingError, 422, 2, "{model_type} models have no layer that runs in int8: leave quantization out"
    ),
    "stride_without_groups": Kind(
        SettingError, 422, 2, "stride does not go with aggregation_strategy=none: leave stride out, or use simple"
    ),
    "bad_stride": Kind(
        SettingError,
        422,
        2,
        "stride={stride} does not fit: it must be from 0 to {most} tokens, less than a window holds",
    ),
    "bad_threshold": Kind(
        SettingError, 422, 2, 'threshold must be from 0 to 1, or a dict such as {{"PERSON": 0.9, "*": 0.5}}'
    ),
    "bad_top_k": Kind(SettingError, 422, 2, "top_k({k}): ask for at least 1 label"),
    "window_too_small": Kind(
        SettingError, 422, 2, "max_length={max_length} leaves no room beside the special tokens: make it larger"
    ),
}


def error(kind: str, **fields: object) -> VtagError:
    """Make (not raise) the exception of a row, its message filled with `fields`."""
    message = TABLE[kind].message.format(**fields)
    return _restore(TABLE[kind].error, kind, " ".join(message.splitlines()))  # a path may hold line ends


def input_error(kind: str, **fields: object) -> InputError:
    """The same of a row that is about a text, for where errors are kept in the places of answers."""
    made = error(kind, **fields)
    assert isinstance(made, InputError)
    return made


def _restore(cls: type[VtagError], kind: str, message: str) -> VtagError:
    made = cls(message)
    made.kind = kind
    return made


def reason(cause: BaseException) -> str:
    """What another library complains of, in one line: pydantic's first complaint, else the first paragraph."""
    complaints: list[dict[str, Any]] = getattr(cause, "errors", list)()
    if complaints:
        return ": ".join([*map(str, complaints[0]["loc"]), complaints[0]["msg"]])
    said = " ".join(str(cause).strip().split("\n\n")[0].split())
    return said if " " in said else f"{type(cause).__name__} {said}".strip()
