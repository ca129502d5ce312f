"""The server: vLLM's app with vtag's routes."""
