"""Recordings as machines: played again over any face, at any speed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, cast

import numpy as np

from simulators.columns import Column, Times
from simulators.machine import Machine
from simulators.recording import Recording
from simulators.schedule import microseconds
from simulators.signals import Signal


@dataclass(frozen=True, kw_only=True)
class _Replay(Machine):
    type_name: ClassVar[str] = "replay"
    title: ClassVar[str] = "A recording"
    signals: ClassVar[tuple[Signal, ...]] = ()

    recording: Recording
    shift_us: int = 0
    loop: bool = False

    def _equations(self, times_us: Times) -> Mapping[str, Column]:
        recorded = self.recording.times_us
        times = times_us - self.shift_us
        if self.loop and len(recorded) > 1:
            times = recorded[0] + (times - recorded[0]) % (recorded[-1] - recorded[0])
        row = np.maximum(np.searchsorted(recorded, times, side="right") - 1, 0)
        return {name: column[row] for name, column in self.recording.columns.items()}


def replay(recording: Recording, *, asset: str, start: datetime | None = None, loop: bool = False) -> Machine:
    """Give a machine that plays a recording: at its own times, or from `start` on; with `loop`, over and over.

    Before the first row it shows the first, after the last row the last.
    """
    kind = cast("type[_Replay]", type("Replay", (_Replay,), {"signals": recording.signals}))
    shift = 0 if start is None else microseconds(start, "start") - int(recording.times_us[0])
    return kind(asset=asset, recording=recording, shift_us=shift, loop=loop)
