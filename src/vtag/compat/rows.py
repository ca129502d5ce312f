"""ONE table: internals of other packages that vtag needs, why, and until when."""

from __future__ import annotations

from vtag.compat import probes
from vtag.compat.contract import Row, exists, has, is_variable, passes, source_has, takes

# When a row can be dropped.
ARGUMENT = "vLLM's LLM takes task= and model_config="
CLOSE = "vLLM documents how to end an in-process engine"
WINDOWS = "vLLM's /pooling answers for prompts of any length"
CLASSES = "vLLM documents what a pooling model's class needs"
TOKENS = "vLLM documents a head for every token"
APP = "vLLM documents how to build its app"
KERNELS = "torch documents matmuls with packed and int8 weights"
SMALL_BATCHES = "vLLM runs encoders without padding at this speed"
LOADING = "transformers can check a checkpoint without loading it"
STAYS = "never: a documented name, checked because everything depends on it"

VLLM = (
    # --- from vllm import LLM ---
    Row("vllm.entrypoints.llm:LLM", "add arguments to vllm.LLM", ARGUMENT, has("llm_engine")),
    Row(
        "vllm.entrypoints.pooling.offline:PoolingOfflineMixin",
        "patch vllm.LLM while it is created",
        ARGUMENT,
        passes(probes.llm_has_the_mixin),
        ("PoolingOfflineMixin",),
    ),
    Row(
        "vllm.entrypoints.llm:LLM.__init__",
        "pass engine arguments",
        STAYS,
        takes("model", "runner", "tokenizer", "dtype", "hf_overrides"),
    ),
    Row(
        "vllm.entrypoints.llm:LLM._add_request",
        "refuse prompts that are too long before they reach the engine",
        "vLLM has a limit of prompts besides max_model_len",
        takes("prompt", "params"),
        ("_add_request",),
    ),
    Row("vllm.entrypoints.llm:LLM.encode", "return vLLM's own outputs", STAYS, takes("pooling_params", "pooling_task")),
    Row("vllm.entrypoints.llm:LLM.apply_model", "measure a model's matmuls", STAYS, takes("func")),
    Row("vllm:PoolingParams", "request logits of tokens", STAYS, has("task", "use_activation")),
    Row(
        "vllm:PoolingParams",
        "pass the lengths of a request's texts",
        "vLLM accepts many texts in one request",
        has("extra_kwargs"),
    ),
    Row("vllm:PoolingRequestOutput", "answer /pooling", STAYS, takes("request_id", "outputs", "num_cached_tokens")),
    Row("vllm.outputs:PoolingOutput", "return logits as vLLM does", STAYS, takes("data")),
    Row("vllm.lora.request:LoRARequest", "take adapters", STAYS, has("lora_name", "lora_int_id", "lora_path")),
    Row("vllm.platforms:current_platform", "distinguish a CPU from a GPU", STAYS, exists),
    Row("vllm.config:VllmConfig", "read the engine's settings", STAYS, has("model_config", "scheduler_config")),
    Row(
        "vllm.config.scheduler:SchedulerConfig",
        "fill a step of the engine",
        STAYS,
        has("max_num_batched_tokens", "max_num_seqs"),
    ),
    Row(
        "vllm.engine.arg_utils:AsyncEngineArgs",
        "check engine arguments",
        STAYS,
        has("kv_cache_memory_bytes", "enforce_eager", "enable_chunked_prefill", "use_tqdm_on_load", "quantization"),
    ),
    Row(
        "vllm.engine.arg_utils:AsyncEngineArgs.create_engine_config",
        "start the server's engine",
        STAYS,
        takes("usage_context"),
    ),
    # --- an engine in this process ---
    Row(
        "vllm.v1.engine.llm_engine:LLMEngine",
        "run windows",
        STAYS,
        has("engine_core", "add_request", "step", "abort_request"),
        ("engine_core",),
    ),
    Row(
        "vllm.v1.engine.llm_engine:LLMEngine.add_request",
        "pass a window to the engine",
        STAYS,
        takes("request_id", "prompt", "params", "lora_request"),
    ),
    Row(
        "vllm.inputs:tokens_input",
        "pass token ids to the engine",
        STAYS,
        passes(probes.prompts_are_tokens),
        ("tokens_input",),
    ),
    Row(
        "vllm.v1.engine.core_client:InprocClient",
        "end an engine when it is closed, but not in forks",
        CLOSE,
        passes(probes.one_finalizer),
        ("_finalizer",),
    ),
    Row(
        "vllm.v1.engine.core:EngineCore",
        "end one of two engines",
        CLOSE,
        has("model_executor", "scheduler", "shutdown"),
        ("model_executor",),
    ),
    Row(
        "vllm.v1.worker.cpu_worker:CPUWorker",
        "remove the file of the process groups",
        "vLLM removes it",
        has("distributed_init_method"),
        ("driver_worker", "distributed_init_method"),
        on="cpu",
    ),
    Row(
        "vllm.tokenizers:cached_get_tokenizer",
        "load the tokenizer that the engine will use, and release it",
        "an engine accepts a loaded tokenizer",
        takes("runner_type", "tokenizer_mode", "revision", "trust_remote_code"),
        ("cached_get_tokenizer", "cache_clear"),
    ),
    Row(
        "vllm.tokenizers:cached_get_tokenizer",
        "release a closed model's tokenizer",
        CLOSE,
        passes(probes.tokenizers_are_cached),
    ),
    # --- model classes ---
    Row("vllm:ModelRegistry.register_model", "register its model classes", STAYS, takes("model_arch", "model_cls")),
    Row("vllm:ModelRegistry.get_supported_archs", "register classes once", STAYS, exists),
    Row(
        "vllm:ModelRegistry.models",
        "import vLLM's class of a decoder",
        "ModelRegistry documents it",
        passes(probes.classes_load),
        ("load_model_cls",),
    ),
    Row(
        "vllm.model_executor.models.adapters:as_seq_cls_model",
        "add a head to vLLM's decoders",
        TOKENS,
        exists,
        ("as_seq_cls_model",),
    ),
    Row(
        "vllm.model_executor.models.adapters:as_seq_cls_model",
        "exclude the head from quantisation",
        TOKENS,
        source_has("def _init_pooler("),
        ("_init_pooler",),
    ),
    Row(
        "vllm.model_executor.model_loader.default_loader:DefaultModelLoader",
        "read one weight file of several in a folder",
        "vLLM reads only the files of the model",
        source_has("allow_patterns_overrides"),
        ("allow_patterns_overrides",),
    ),
    Row(
        "vllm.model_executor.models.adapters:as_seq_cls_model",
        "initialise a missing head",
        TOKENS,
        source_has("self.score = "),
    ),
    Row("vllm.model_executor.layers.pooler:Pooler", "answer for each token", CLASSES, has("get_supported_tasks")),
    Row(
        "vllm.model_executor.layers.pooler.activations:resolve_classifier_act_fn",
        "turn logits into probabilities as vLLM does",
        CLASSES,
        takes("model_config"),
        ("resolve_classifier_act_fn",),
    ),
    Row("vllm.model_executor.models.interfaces:IsAttentionFree", "run without a KV cache", CLASSES, exists),
    Row(
        "vllm.model_executor.models.interfaces_base:attn_type",
        "run without a KV cache",
        CLASSES,
        exists,
        ("attn_type",),
    ),
    Row(
        "vllm.model_executor.models.interfaces_base:default_pooling_type",
        "answer for each token",
        CLASSES,
        takes("tok_pooling_type"),
        ("default_pooling_type",),
    ),
    Row(
        "vllm.v1.pool.metadata:PoolingMetadata",
        "find where requests begin",
        CLASSES,
        has("get_pooling_cursor", "pooling_params"),
        ("get_pooling_cursor",),
    ),
    Row(
        "vllm.v1.pool.metadata:PoolingCursor",
        "find where requests begin",
        CLASSES,
        has("num_scheduled_tokens_cpu"),
        ("num_scheduled_tokens_cpu",),
    ),
    Row(
        "vllm.model_executor.layers.linear:LinearBase",
        "find vLLM's linear layers",
        "vLLM's int8 matmuls are right without VNNI",
        has("quant_method"),
        ("LinearBase", "quant_method"),
    ),
    Row(
        "vllm.model_executor.layers.linear:UnquantizedLinearMethod",
        "run int8 weights dequantised",
        "vLLM's int8 matmuls are right without VNNI",
        exists,
        ("UnquantizedLinearMethod", "logical_widths", "weight_scale"),
    ),
    # --- matmuls on CPU ---
    Row(
        "vllm._custom_ops:onednn_scaled_int8_quant",
        "quantise activations",
        KERNELS,
        takes("input", "symmetric"),
        ("_custom_ops", "onednn_scaled_int8_quant"),
    ),
    Row(
        "vllm._custom_ops:create_onednn_scaled_mm",
        "lay int8 weights out",
        KERNELS,
        takes("weight", "weight_scales", "output_type", "dynamic_quant", "use_azp", "primitive_cache_size"),
        ("create_onednn_scaled_mm",),
    ),
    Row(
        "vllm._custom_ops:onednn_scaled_mm",
        "multiply int8",
        KERNELS,
        takes("dnnl_handler", "x", "output", "input_scale", "input_zp", "input_zp_adj", "bias"),
        ("onednn_scaled_mm",),
    ),
    Row("vllm._custom_ops:onednn_scaled_mm", "multiply int8", KERNELS, passes(probes.int8_multiplies), on="cpu"),
    Row(
        "vllm.model_executor.layers.utils:dispatch_cpu_unquantized_gemm",
        "check vLLM's matmuls before the first text",
        "vLLM checks them itself",
        passes(probes.vllm_multiplies),
        ("dispatch_cpu_unquantized_gemm", "cpu_linear"),
        on="cpu",
    ),
    Row(
        "vllm.model_executor.kernels.linear:init_int8_linear_kernel",
        "check vLLM's int8 matmuls before the first text",
        "vLLM checks them itself",
        passes(probes.vllm_multiplies_int8),
        ("init_int8_linear_kernel", "layer_param_names", "process_weights_after_loading"),
        on="cpu",
    ),
    Row(
        "vllm.v1.attention.backends.cpu_attn:CPUAttentionBackend.get_supported_head_sizes",
        "choose the route of a decoder",
        "vLLM documents which models it runs",
        passes(probes.head_sizes),
        ("CPUAttentionBackend", "get_supported_head_sizes"),
    ),
    # --- adapters ---
    Row(
        "vllm.lora.utils:get_adapter_absolute_path",
        "find an adapter",
        "vLLM refuses adapters that it cannot apply in full",
        takes("lora_path"),
        ("get_adapter_absolute_path",),
    ),
    Row(
        "vllm.lora.peft_helper:PEFTHelper.from_local_dir",
        "read an adapter's config",
        "vLLM refuses adapters that it cannot apply in full",
        takes("lora_path", "max_position_embeddings"),
        ("PEFTHelper",),
    ),
    Row(
        "vllm.lora.peft_helper:PEFTHelper.validate_legal",
        "refuse an adapter that vLLM would refuse later",
        "vLLM refuses adapters that it cannot apply in full",
        takes("lora_config"),
        ("validate_legal",),
    ),
    # --- the server ---
    Row("vllm.v1.engine.async_llm:AsyncLLM.from_vllm_config", "start the server's engine", STAYS, takes("vllm_config")),
    Row(
        "vllm.engine.protocol:EngineClient",
        "use the server's engine",
        STAYS,
        has("encode", "errored", "shutdown", "vllm_config", "get_supported_tasks"),
    ),
    Row("vllm.v1.engine.async_llm:AsyncLLM.get_tokenizer", "tag in a server that vLLM starts", STAYS, exists),
    Row("vllm.usage.usage_lib:UsageContext", "start the server's engine", STAYS, has("OPENAI_API_SERVER")),
    Row(
        "vllm.v1.engine.core:EngineCoreProc.run_engine_core",
        "report why an engine did not start",
        "vLLM reports the cause to the parent",
        exists,
        ("EngineCoreProc", "run_engine_core"),
    ),
    Row(
        "vllm.utils.system_utils:get_mp_context",
        "start the server's engine as a fork where that is safe",
        "vLLM reports the cause to the parent",
        exists,
        ("get_mp_context",),
    ),
    Row(
        "vllm.v1.engine.utils:CoreEngineProcManager",
        "report why an engine did not start",
        "vLLM reports the cause to the parent",
        source_has("target=EngineCoreProc.run_engine_core"),
    ),
    Row(
        "vllm.v1.engine.core:logger", "keep stack traces out of the log", "vLLM reports the cause to the parent", exists
    ),
    Row(
        "vllm.v1.engine.async_llm:logger",
        "keep stack traces out of the log",
        "vLLM reports the cause to the parent",
        exists,
    ),
    Row(
        "vllm.config.parallel:DistributedExecutorBackend",
        "run the server's engine without a worker process",
        STAYS,
        passes(probes.no_worker, imported=False),
    ),
    Row("vllm.entrypoints.launchers.app:build_app", "serve", APP, exists, ("build_app",)),
    Row(
        "vllm.entrypoints.launchers.api_server.app_state:init_app_state",
        "serve",
        APP,
        takes("engine_client", "state", "args"),
        ("init_app_state",),
    ),
    Row(
        "vllm.entrypoints.common.cli_args:make_arg_parser",
        "serve",
        APP,
        passes(probes.server_has_arguments, imported=False),
        ("make_arg_parser",),
    ),
    Row("vllm.utils.argparse_utils:FlexibleArgumentParser", "serve", APP, exists, ("FlexibleArgumentParser",)),
    Row("vllm.plugins.endpoint_plugins.interface:EndpointPlugin", "serve", STAYS, has("attach_router", "init_state")),
    Row(
        "vllm.entrypoints.openai.models.protocol:BaseModelPath",
        "name the model without its path",
        "vLLM serves a folder under its name",
        takes("name", "model_path"),
        ("BaseModelPath", "base_model_paths"),
    ),
    Row(
        "vllm.entrypoints.openai.models.serving:OpenAIServingModels",
        "find the adapters of a server that vLLM starts",
        APP,
        has("registry", "lora_requests"),
        ("openai_serving_models",),
    ),
    Row(
        "vllm.entrypoints.openai.models.serving:OpenAIModelRegistry",
        "name the model without its path",
        "vLLM serves a folder under its name",
        has("model_config", "base_model_paths"),
    ),
    Row(
        "vllm.entrypoints.serve.tokenize.serving:ServingTokenization",
        "report the limit of a text",
        "vLLM has a limit of prompts besides max_model_len",
        has("model_config"),
        ("serving_tokenization",),
    ),
    *(
        Row(
            name,
            "find the app's handlers",
            APP,
            source_has(f"{said} = "),
        )
        for name, said in (
            ("vllm.entrypoints.launchers.app:build_app", "app.state.args"),
            ("vllm.entrypoints.launchers.api_server.app_state:init_app_state", "state.openai_serving_models"),
            ("vllm.entrypoints.launchers.api_server.app_state:init_app_state", "state.serving_tokenization"),
            ("vllm.entrypoints.pooling.factories:init_pooling_state", "state.serving_pooling"),
        )
    ),
    Row(
        "vllm.entrypoints.pooling.pooling.serving:ServingPooling",
        "answer /pooling for prompts of any length",
        WINDOWS,
        has(
            *("engine_client", "models", "supported_tasks", "request_logger", "chat_template_config", "renderer"),
            *("vllm_config", "io_processors", "max_model_len", "_prepare_generators", "_collect_batch"),
        ),
        (
            "ServingPooling",
            "engine_client",
            "io_processors",
            "_prepare_generators",
            "_collect_batch",
            "serving_pooling",
        ),
    ),
    Row(
        "vllm.entrypoints.pooling.base.serving:PoolingBaseServing._prepare_generators",
        "find the request of a prompt",
        WINDOWS,
        source_has("{ctx.request_id}-{i}"),
    ),
    Row(
        "vllm.entrypoints.pooling.classify.io_processor:TokenClassifyIOProcessor.get_request_factory_online",
        "let /pooling take prompts of any length",
        WINDOWS,
        takes("ctx"),
        ("TokenClassifyIOProcessor", "get_request_factory_online", "tok_params"),
    ),
    Row(
        "vllm.renderers:TokenizeParams",
        "let /pooling take prompts of any length",
        WINDOWS,
        has("max_total_tokens", "truncate_prompt_tokens"),
        ("max_total_tokens", "truncate_prompt_tokens"),
    ),
    Row(
        "vllm.entrypoints.pooling.typing:PoolingServeContext",
        "answer /pooling for prompts of any length",
        WINDOWS,
        has("request_id", "engine_inputs"),
        ("PoolingServeContext", "AnyRenderParam", "engine_inputs"),
    ),
    Row(
        "vllm.config:ModelConfig.get_pooling_task",
        "distinguish token classifiers from sequence classifiers",
        APP,
        takes("supported_tasks"),
        ("get_pooling_task",),
    ),
    *(
        Row(name, use, STAYS, is_variable)
        for name, use in {
            "VLLM_ENABLE_V1_MULTIPROCESSING": "start an engine in this process",
            "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "send many texts in one request",
            "VLLM_LOGGING_LEVEL": "start without log messages",
            "VLLM_NO_USAGE_STATS": "send no usage statistics",
            "VLLM_CPU_OMP_THREADS_BIND": "use all cores",
            "VLLM_WORKER_MULTIPROC_METHOD": "start the server's engine as a fork",
            "VLLM_PLUGINS": "load vtag's plugins",
            "VLLM_TARGET_DEVICE": "report why vllm.LLM does not accept its arguments",
            "VLLM_API_KEY": "require the key in VLLM_API_KEY",
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "remove routes that load adapters",
            "VLLM_SERVER_DEV_MODE": "remove routes that reset the engine",
            "VLLM_RPC_BASE_PATH": "put the server's sockets where they are removed",
        }.items()
    ),
)

TRANSFORMERS = (
    Row(
        "transformers.models.auto.configuration_auto:CONFIG_MAPPING_NAMES",
        "read a config by Hugging Face's class",
        "vLLM does not change AutoConfig",
        exists,
        ("CONFIG_MAPPING_NAMES",),
    ),
    Row("transformers:PretrainedConfig.get_config_dict", "read config.json", LOADING, exists, ("get_config_dict",)),
    Row(
        "transformers.models.auto.modeling_auto:MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING",
        "find the module of a config",
        LOADING,
        exists,
        ("MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING",),
    ),
    Row(
        "transformers:PreTrainedModel.from_pretrained",
        "check weights against their config without reading them",
        LOADING,
        passes(probes.weights_checked),
        ("mismatched_keys", "unexpected_keys", "missing_keys"),
    ),
    Row(
        "transformers:PreTrainedTokenizerFast",
        "tokenize many texts at once",
        STAYS,
        has("backend_tokenizer", "truncation_side", "all_special_tokens", "added_tokens_encoder"),
    ),
    Row("transformers:AttentionInterface.register", "run many texts as one row", STAYS, exists),
    Row("transformers:AttentionMaskInterface.register", "run many texts as one row", STAYS, exists),
    Row(
        "transformers.masking_utils:sdpa_mask",
        "mask many texts as one row",
        SMALL_BATCHES,
        takes("mask_function", "device", "local_size", "use_vmap"),
    ),
    Row("transformers.masking_utils:causal_mask_function", "mask many texts as one row", SMALL_BATCHES, exists),
    Row("transformers.masking_utils:bidirectional_mask_function", "mask many texts as one row", SMALL_BATCHES, exists),
    Row(
        "transformers.models.gpt_oss.modeling_gpt_oss:eager_attention_forward",
        "run attention with sinks and soft caps",
        SMALL_BATCHES,
        takes("module", "query", "key", "value", "attention_mask", "scaling"),
        ("eager_attention_forward",),
    ),
    Row(
        "transformers.models.llama.modeling_llama:LlamaRotaryEmbedding",
        "detect RoPE types that depend on the longest text",
        SMALL_BATCHES,
        has("rope_type"),
    ),
    Row(
        "transformers.models.roberta.modeling_roberta:RobertaEmbeddings",
        "count positions from the padding id",
        SMALL_BATCHES,
        has("create_position_ids_from_input_ids", "padding_idx"),
        ("create_position_ids_from_input_ids", "padding_idx"),
    ),
    Row("transformers:PreTrainedModel.set_attn_implementation", "run many texts as one row", STAYS, exists),
    Row(
        "transformers.models.big_bird.modeling_big_bird:BigBirdModel.set_attention_type",
        "run BigBird after a short text",
        "BigBird switches back itself",
        takes("value"),
    ),
    Row("transformers.utils:logging.is_progress_bar_enabled", "start without log messages", STAYS, exists),
)

TORCH = (
    Row(
        "torch:ops.mkldnn._linear_pointwise",
        "run matmuls with weights in oneDNN's layout",
        KERNELS,
        passes(probes.onednn_multiplies),
        ("_linear_pointwise", "_reorder_linear_weight"),
        on="cpu",
    ),
    Row(
        "torch:ops.mkldnn._is_mkldnn_bf16_supported",
        "check whether oneDNN supports bfloat16",
        KERNELS,
        passes(probes.onednn_says_bf16),
        ("_is_mkldnn_bf16_supported",),
        on="cpu",
    ),
    Row(
        "torch.cpu:_is_amx_tile_supported",
        "check whether the CPU has AMX",
        "torch.cpu documents it",
        exists,
        ("_is_amx_tile_supported",),
    ),
    Row(
        "torch:_C.set_num_threads",
        "run different rows on each core",
        "vLLM does not change torch.set_num_threads",
        passes(probes.threads_set),
        on="cpu",
    ),
    Row(
        "torch.lib.libc10:FLAGS_caffe2_log_level",
        "suppress C++ warnings on stderr",
        "torch can set the C++ log level from Python",
        passes(probes.cpp_level, imported=False),
        ("FLAGS_caffe2_log_level",),
        on="cpu",
    ),
    Row(
        "torch.distributed.distributed_c10d:_world.pg_map",
        "end a fork of a process with an engine",
        "Gloo supports forks",
        passes(probes.groups_found),
        ("distributed_c10d", "_world", "pg_map"),
    ),
    Row(
        "torch.nn.attention.varlen:varlen_attn",
        "run all texts of a row in one call on a GPU",
        STAYS,
        takes("query", "key", "value", "cu_seq_q", "cu_seq_k", "scale", "window_size", "enable_gqa"),
    ),
)

SERVER = (
    Row(
        "uvicorn.protocols.http.httptools_impl:HttpToolsProtocol",
        "close silent and oversized connections",
        "uvicorn has limits for slow heads and bodies",
        has(
            *("parser", "transport", "loop", "url", "headers", "cycle", "_unset_keepalive_if_required"),
            *("connection_made", "connection_lost", "data_received", "eof_received", "on_message_begin"),
            *("on_headers_complete", "on_body", "on_message_complete", "on_response_complete"),
        ),
        ("HttpToolsProtocol", "_unset_keepalive_if_required"),
    ),
    Row(
        "uvicorn.protocols.http.httptools_impl:RequestResponseCycle",
        "detect a client that is gone",
        "uvicorn has limits for slow heads and bodies",
        has("more_body", "response_started", "response_complete", "keep_alive", "scope"),
        ("response_started", "response_complete"),
    ),
    Row(
        "uvicorn.protocols.http.httptools_impl:STATUS_LINE",
        "refuse invalid requests",
        "uvicorn's error responses can be changed",
        passes(probes.status_lines),
        ("STATUS_LINE",),
    ),
    Row("uvicorn:Server.startup", "report when it listens", STAYS, takes("sockets")),
    Row("uvicorn:Server.shutdown", "finish pending requests at the end", STAYS, takes("sockets")),
    Row("uvicorn:Config", "serve", STAYS, takes("http", "timeout_graceful_shutdown", "timeout_keep_alive")),
    Row(
        "fastapi.routing:APIRoute",
        "check bodies itself",
        STAYS,
        has("dependant", "handle", "methods", "path"),
    ),
)

RAY = (
    Row(
        "ray:init",
        "start a private cluster",
        "ray.init documents them",
        passes(probes.ray_starts_apart, imported=False),
        ("_temp_dir", "_node_ip_address"),
        on="ray",
    ),
    Row("ray.util:get_node_ip_address", "name the node of a worker", STAYS, exists, on="ray"),
    Row("ray.exceptions:RayTaskError", "distinguish errors from dead processes", STAYS, exists, on="ray"),
)

ROWS = VLLM + TRANSFORMERS + TORCH + SERVER + RAY
