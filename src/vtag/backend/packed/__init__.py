"""The packed route: Hugging Face's own modules inside one vLLM model class, many texts in one request."""
