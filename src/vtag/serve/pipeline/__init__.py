"""A request's texts on their way: admitted, prepared, run in shared steps of the engine, decoded."""
