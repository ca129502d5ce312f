"""What a model is and how it will run, known before an engine starts. Reads no weights."""
