"""`fieldlab demo`: the whole platform in one command, on embedded parts."""
