"""Who and what is in the field lab, as values: participants, assets, streams, sources and bindings."""
