"""`python -m cli` is the `fieldlab` command."""

from cli.main import main

main()
