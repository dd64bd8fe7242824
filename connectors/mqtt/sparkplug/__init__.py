"""Sparkplug B (specification 3.0): the source as a host application, and what edge nodes tell it."""
