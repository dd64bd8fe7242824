"""Figures as ratios against the physical limit, measured in one run on one machine: `python -m bench`."""
