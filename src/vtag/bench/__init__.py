"""How fast a model is on this machine: text in, spans out."""
