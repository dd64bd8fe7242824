"""Recordings as machines: a CSV file, ours or anyone's, played again over any face.

The file's first line names its columns; one of them is the time (RFC 3339, with its zone). A column of numbers becomes
a number, one of `true` and `false` a boolean, any other a text. Between two rows, and in an empty cell, the last value
holds.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, cast

import numpy as np

from simulators.columns import Column, Times
from simulators.errors import InvalidSettingError
from simulators.machine import Machine
from simulators.schedule import microseconds
from simulators.signals import Kind, Signal

_SWITCHES = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """What was recorded: the times in ascending order, and a column for each signal."""

    times_us: Times
    signals: tuple[Signal, ...]
    columns: Mapping[str, Column]


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


def read_recording(
    path: Path, *, time: str = "time", columns: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None
) -> Recording:
    """Read a CSV file. `columns` maps its columns to signals and leaves the rest out; `units` are UCUM, by signal."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            there = list(table.fieldnames or ())
            chosen = dict(columns) if columns is not None else {name: name for name in there if name != time}
            for name in (time, *chosen):
                if name not in there:
                    raise InvalidSettingError(f"{path} has no column {name!r}; it has {', '.join(there) or 'none'}")
            rows = sorted(((_time(path, table.line_num, row[time]), row) for row in table), key=lambda one: one[0])
    except OSError as error:
        raise InvalidSettingError(f"{path} cannot be read: {error.strerror}") from None
    if not rows or not chosen:
        raise InvalidSettingError(f"{path} holds nothing to play: it needs a row and a column beside {time!r}")
    read = {signal: _column([row[column] for _, row in rows]) for column, signal in chosen.items()}
    describe = partial(_signal, units or {})
    return Recording(
        times_us=np.array([at for at, _ in rows], dtype=np.int64),
        signals=tuple(describe(name, column) for name, column in read.items()),
        columns=read,
    )


def _column(cells: list[str]) -> Column:
    """Give the cells as numbers, booleans or texts, empty ones filled with the value before (or the first there is)."""
    known = next((cell for cell in cells if cell), "")
    filled: list[str] = []
    for cell in cells:
        known = cell or known
        filled.append(known)
    if all(cell.lower() in _SWITCHES for cell in filled):
        return np.array([_SWITCHES[cell.lower()] for cell in filled], dtype=np.bool_)
    try:
        numbers = np.array([float(cell) for cell in filled], dtype=np.float64)
    except ValueError:
        return np.array(filled)
    return numbers if np.isfinite(numbers).all() else np.array(filled)


def _signal(units: Mapping[str, str], name: str, column: Column) -> Signal:
    kind = {"f": Kind.NUMBER, "b": Kind.BOOLEAN}.get(column.dtype.kind, Kind.TEXT)
    unit = units.get(name, "1") if kind is Kind.NUMBER else ""
    return Signal(name=name, quantity="recorded", unit=unit, kind=kind, decimals=None, description=f"Recorded {name}")


def _time(path: Path, line: int, cell: str | None) -> int:
    try:
        return microseconds(datetime.fromisoformat(cell or ""), "time")
    except ValueError:
        raise InvalidSettingError(f"{path}, line {line}: {cell!r} is no time as 2026-11-21T08:00:00Z") from None
