"""Plays the machine: shares no code with the platform, so tests against it are honest."""
