"""The documentation keeps its word: its examples parse, its commands exist, its lists are complete."""
