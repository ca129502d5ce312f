"""A request's texts on their way: with_body, prepared, run in shared steps of the engine, decoded."""
