"""Real servers for tests: databases and brokers that are obtained, started, and gone when the run ends.

Each module holds one server. `Unavailable` is the one error that means "not on this machine"; every other
error is a defect. Nothing here knows the product, apart from `database`, which migrates a template with it.
"""
