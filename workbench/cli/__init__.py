"""The commands: each a short function that calls `operations` and hands the result to `output`."""
