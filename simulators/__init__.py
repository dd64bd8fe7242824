"""Plays the machines of a shop floor over the wires that real ones speak. Shares no code with the platform."""
