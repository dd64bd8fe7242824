"""`fieldlab simulate`: machines for trials, load and tests."""
