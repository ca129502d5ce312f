"""The one place that knows the insides of vLLM, torch, transformers, Ray and uvicorn.

Each module wraps what one part of vtag needs of another package and is not promised to stay. `rows.py` is the table of
all these names, with what breaks without each and when vtag can do without it; `contract.py` looks at them. Names that
a package documents for its users stay where they are used (the list: tests/contract/test_gate.py).
"""
