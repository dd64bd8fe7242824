"""The front door: the `fieldlab` command. The only place that knows all processes."""
