"""Who owns which measurement when, and who may read it, as values and pure decisions."""
