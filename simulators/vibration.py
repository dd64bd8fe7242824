"""The acceleration of a mill's spindle housing at 10 kHz, in frames of a tenth of a second.

With f = n / 60 the spindle's frequency, φ its revolutions, c the cut, w the wear and l the level of a bearing defect:

    a = 6 (n / 12000)² sin 2πφ                           unbalance, at f
      + c (5 + 12 w) sin 8πφ + 0.4 c (5 + 12 w) sin 16πφ  the tool's four teeth, at 4 f and 8 f
      + 60 l e^(-900 τ) sin(2π 2200 τ)                    the bearing's ring, struck at 3.58 f; τ: time since the blow
      + 0.25 noise                                       m/s²

3.58 f is the ball pass frequency of the outer race (BPFO) of a bearing with nine balls; an envelope spectrum shows it.
"""

import json
from dataclasses import dataclass

import numpy as np

from simulators import noise, wave
from simulators.columns import Numbers, Times
from simulators.machines.mill import Mill
from simulators.telemetry import time_text

RATE_HZ = 10_000
"""Samples per second."""
FRAMES_HZ = 10
"""Frames per second."""
UNIT = "m/s2"
BPFO = 3.58
"""Blows per revolution that a defect of the outer race gives."""
_STEP_US = 1_000_000 // RATE_HZ
_LENGTH = RATE_HZ // FRAMES_HZ
_RING_HZ, _RING_DECAY = 2200.0, 900.0
_SLOWEST = 1.0
_DECIMALS = 3


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A tenth of a second of acceleration, in m/s², from `time_us` on."""

    time_us: int
    samples: Numbers

    def json(self) -> bytes:
        """Give the frame as a JSON object with its time, rate, unit and samples."""
        body = {"time": time_text(self.time_us), "rate": RATE_HZ, "unit": UNIT, "samples": self.samples.tolist()}
        return json.dumps(body, separators=(",", ":")).encode()


def acceleration(mill: Mill, times_us: Times) -> Numbers:
    """Give the acceleration at each time, in m/s²: a pure function as all signals are."""
    turning = mill.turning(times_us)
    pace = turning.speed / 12000.0
    teeth = turning.cut * (5.0 + 12.0 * turning.wear)
    total = 6.0 * pace * pace * wave.sine(turning.revolutions)
    total = total + teeth * (wave.sine(4.0 * turning.revolutions) + 0.4 * wave.sine(8.0 * turning.revolutions))
    blows = BPFO * turning.revolutions
    since = (blows - np.floor(blows)) * 60.0 / (BPFO * np.maximum(turning.speed, _SLOWEST))
    ring = 60.0 * turning.defect * wave.decay(_RING_DECAY * since) * wave.sine(_RING_HZ * since)
    total = total + np.where(turning.speed > _SLOWEST, ring, 0.0)
    shown: Numbers = np.round(total + 0.25 * noise.normal(noise.key(mill.seed, "acceleration"), times_us), _DECIMALS)
    return shown + 0.0


def frame(mill: Mill, time_us: int) -> Frame:
    """Give the frame that begins at `time_us`."""
    times = time_us + np.arange(_LENGTH, dtype=np.int64) * _STEP_US
    return Frame(time_us=time_us, samples=acceleration(mill, times))


def topic_of(mill: Mill) -> str:
    """Give the topic that frames are published on."""
    return f"lab/{mill.asset}/vibration"
