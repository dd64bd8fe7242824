"""Smooth shapes in plain arithmetic.

Library sines and exponentials differ in the last bit between processors and even between the middle and the end of an
array. These are made of additions and multiplications, which IEEE 754 fixes to the bit.
"""

import numpy as np

from simulators.columns import Numbers, Times

_QUARTER = 0.25
_TURN = 6.283185307179586
_LOG2_E = 1.4426950408889634
_LN_2 = 0.6931471805599453
_SINE = (1.6059043836821613e-10, -2.505210838544172e-08, 2.7557319223985893e-06, -1.984126984126984e-04,
         8.333333333333333e-03, -1.6666666666666666e-01, 1.0)  # fmt: skip
_POWER = (1 / 3628800, 1 / 362880, 1 / 40320, 1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0)


def sine(turns: Numbers) -> Numbers:
    """Give the sine of an angle in whole turns, to within 1e-9."""
    part = turns - np.rint(turns)
    folded = np.where(part > _QUARTER, 0.5 - part, np.where(part < -_QUARTER, -0.5 - part, part)) * _TURN
    square = folded * folded
    total = np.full_like(square, _SINE[0])
    for factor in _SINE[1:]:
        total = total * square + factor
    return total * folded


def cosine(turns: Numbers) -> Numbers:
    """Give the cosine of an angle in whole turns, to within 1e-9."""
    return sine(turns + _QUARTER)


def turns_of(times_us: Times, period_us: int) -> Numbers:
    """Give the place of each time in its period, in [0, 1), exactly."""
    return (times_us % period_us) / period_us


def decay(x: Numbers) -> Numbers:
    """Give e to the power of -x, for x at or above 0, to within 1e-9."""
    halvings = np.floor(x * _LOG2_E)
    rest = halvings * _LN_2 - x
    total = np.full_like(rest, _POWER[0])
    for factor in _POWER[1:]:
        total = total * rest + factor
    return np.ldexp(total, -np.minimum(halvings, 1100.0).astype(np.int32))
