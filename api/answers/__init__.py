"""Writing answers with measurements, each with its segments and their owners, in the format that was asked for."""
