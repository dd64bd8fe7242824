"""What arrives from a wire, as values: moments, samples in columns, rejects and gaps."""
