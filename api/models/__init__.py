"""The documents of the HTTP contract, as pydantic models: only the border knows them."""
