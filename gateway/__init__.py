"""The ingest process: deliveries in, committed rows out."""
