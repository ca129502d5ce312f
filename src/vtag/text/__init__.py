"""From texts to windows of token ids that a model can take."""
