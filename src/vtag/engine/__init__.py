"""What drives an engine: windows in, logits out."""
