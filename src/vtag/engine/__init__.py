"""What drives an engine: from windows to logits."""
