"""Large answers as jobs: what is asked is planned, read in batches, packed on disk, and kept for a time."""
