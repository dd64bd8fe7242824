"""Chance that can be asked for at any time: numbers drawn by counting, not by remembering.

Every draw is a hash of a key and a counter, in whole-number arithmetic until the last step, so that a sample does not
depend on which samples were asked for before, on how many at once, or on the processor.
"""

from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from simulators.columns import Numbers, Times

Key = NDArray[np.uint64]

_GOLDEN = np.array([0x9E3779B97F4A7C15], dtype=np.uint64)
_MIX_1 = np.array([0xBF58476D1CE4E5B9], dtype=np.uint64)
_MIX_2 = np.array([0x94D049BB133111EB], dtype=np.uint64)
_LANE = np.uint64(0xFFFF)
_LANE_MEAN = 4 * 65535 / 2
_LANE_DEVIATION = float(np.sqrt(4 * (65536**2 - 1) / 12))


@lru_cache(maxsize=65536)
def key(seed: int, name: str) -> Key:
    """Give the key of the draws called `name` of the machine with this seed."""
    digest = blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return np.array([int.from_bytes(digest, "big")], dtype=np.uint64)


def hashes(of: Key, counters: Times) -> NDArray[np.uint64]:
    """Give 64 well-mixed bits for each counter (the finaliser of SplitMix64)."""
    mixed = (counters.astype(np.uint64) ^ of) * _GOLDEN + of
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return mixed ^ (mixed >> np.uint64(31))


def uniform(of: Key, counters: Times) -> Numbers:
    """Give a number in [0, 1) for each counter."""
    return (hashes(of, counters) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(of: Key, counters: Times) -> Numbers:
    """Give a number for each counter, of mean 0 and deviation 1, bell-shaped and never beyond ±3.5."""
    bits = hashes(of, counters)
    low = (bits & _LANE) + ((bits >> np.uint64(16)) & _LANE)
    high = ((bits >> np.uint64(32)) & _LANE) + (bits >> np.uint64(48))
    bell: Numbers = ((low + high).astype(np.float64) - _LANE_MEAN) / _LANE_DEVIATION
    return bell


def wander(of: Key, times_us: Times, every_us: int) -> Numbers:
    """Give a slow drift about 0 of deviation below 1, which passes a new random point every `every_us`."""
    knot = times_us // every_us
    part = (times_us - knot * every_us) / every_us
    here, there = normal(of, knot), normal(of, knot + 1)
    drift: Numbers = here + (there - here) * (part * part * (3.0 - 2.0 * part))
    return drift
