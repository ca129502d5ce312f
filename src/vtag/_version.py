"""The version, which pyproject.toml reads, and the name of the distribution: `pip install vllm-vtag` brings `vtag`."""

__version__ = "0.1.0"
DISTRIBUTION = "vllm-vtag"
