"""A request's texts on their way: admitted, prepared, run by the engine in shared turns, decoded."""
