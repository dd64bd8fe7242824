"""Draws machines over a stretch of time: a row for each signal, and what was wrong as a coloured band."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from simulators.columns import Times
from simulators.errors import InvalidSettingError
from simulators.machine import Machine
from simulators.schedule import Schedule, moment
from simulators.signals import Kind, Signal
from simulators.truth import Truth

_MOST_POINTS = 20_000
_MOST_ROWS = 60
_FORMATS = frozenset({".png", ".svg", ".pdf"})


def draw(
    machines: Sequence[Machine],
    file: Path,
    *,
    since: datetime,
    until: datetime,
    rate: float = 1.0,
    truth: Sequence[Truth] = (),
    names: Sequence[str] = (),
) -> None:
    """Draw the signals of these machines in [since, until), or of those named, into a .png, .svg or .pdf file.

    Of a long stretch every n-th tick is drawn, so that a row has 20,000 points at most.
    """
    if file.suffix not in _FORMATS:
        raise InvalidSettingError(f"{file} is no picture that can be drawn: give it the ending .png, .svg or .pdf")
    rows = [
        (machine, signal) for machine in machines for signal in machine.signals if not names or signal.name in names
    ]
    missing = set(names) - {signal.name for _, signal in rows}
    if missing:
        raise InvalidSettingError(f"no machine that is played has a signal {min(missing)!r}")
    if len(rows) > _MOST_ROWS:
        raise InvalidSettingError(f"{len(rows)} signals are too many for one picture: choose some with --signal")
    times = _times(since, until, rate)
    at = (times.astype("datetime64[us]")).astype(datetime)
    figure = Figure(figsize=(12.0, 1.0 + 1.1 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    tints = {name: f"C{index + 1}" for index, name in enumerate(sorted({one.fault for one in truth}))}
    seen = {machine.asset: machine.at(times).values for machine in machines}
    for axis, (machine, signal) in zip(axes, rows, strict=True):
        _row(axis, signal, f"{machine.asset}\n" if len(machines) > 1 else "")
        axis.plot(at, seen[machine.asset][signal.name], drawstyle="steps-post", linewidth=0.7, color="C0")
        for fault in truth:
            if fault.asset == machine.asset and fault.signal in {"", signal.name}:
                axis.axvspan(*_span(fault), color=tints[fault.fault], alpha=0.18, linewidth=0.0)
    locator = AutoDateLocator()
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes[-1].set_xlabel("UTC")
    figure.suptitle(", ".join(machine.asset for machine in machines), fontsize=11)
    if tints:
        patches = [Patch(color=tint, alpha=0.3, label=name) for name, tint in tints.items()]
        figure.legend(handles=patches, loc="outside upper right", ncols=min(len(patches), 4), fontsize=8)
    try:
        with mpl.rc_context({"svg.hashsalt": "fieldlab"}):
            figure.savefig(file, dpi=110)
    except OSError as error:
        raise InvalidSettingError(f"{file} cannot be written: {error.strerror}") from None


def _times(since: datetime, until: datetime, rate: float) -> Times:
    schedule = Schedule.of(now_us=0, rate=rate, since=since, until=until)
    end = schedule.end_us or schedule.first_us
    ticks = max((end - schedule.first_us) // schedule.period_us, 1)
    step = schedule.period_us * -(-ticks // _MOST_POINTS)
    return np.arange(schedule.first_us, max(end, schedule.first_us + 1), step, dtype=np.int64)


def _row(axis: Axes, signal: Signal, asset: str) -> None:
    unit = f"\n{signal.unit}" if signal.kind is Kind.NUMBER and signal.unit not in {"", "1"} else ""
    axis.set_ylabel(f"{asset}{signal.name}{unit}", rotation=0, ha="right", va="center", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.margins(x=0.0)


def _span(fault: Truth) -> tuple[datetime, datetime]:
    begin, end = (moment(time).replace(tzinfo=None) for time in (fault.from_us, fault.until_us))
    return begin, end
