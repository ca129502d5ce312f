"""What vLLM loads: vtag's model classes, and their kernels."""
