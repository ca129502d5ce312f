"""The only place that depends on internals of vLLM, torch, transformers, Ray and uvicorn.

Each module wraps internals of one package for one use. `rows.py` is the table of all these names: what breaks without
each, and when vtag can drop it; `contract.py` checks them. Names that a package documents for its users are used where
they are needed (the list: tests/contract/test_gate.py).
"""
