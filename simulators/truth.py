"""The truth about a play: what was wrong, with whom, from when until when; and how well alarms found it."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean

from simulators.errors import InvalidSettingError
from simulators.schedule import microseconds, moment

_HEADER = ("asset", "fault", "signal", "from", "until")


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """One fault of one asset, in [from_us, until_us); `signal` is empty unless a sensor was at fault."""

    asset: str
    fault: str
    signal: str
    from_us: int
    until_us: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """What a use case said: something is wrong with this asset now."""

    asset: str
    time_us: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How well alarms found faults.

    `precision`: the share of alarms raised while a fault of that asset was there; `recall`: the share of faults with an
    alarm in them; `lead`: the mean time from a fault's first alarm to its end, which is what was left to act. Each is
    absent where there is nothing to divide by.
    """

    alarms: int
    faults: int
    precision: float | None
    recall: float | None
    lead: timedelta | None


def wrong_at(truth: Sequence[Truth], time_us: int) -> str:
    """Name what is wrong at a time: the faults in the order of the alphabet joined by `+`, or `none`."""
    return "+".join(sorted({one.fault for one in truth if one.from_us <= time_us < one.until_us})) or "none"


def score(truth: Sequence[Truth], alarms: Sequence[Alarm]) -> Score:
    """Compare alarms with the truth."""
    right = [alarm for alarm in alarms if any(_within(alarm, fault) for fault in truth)]
    first = [
        (fault, min(alarm.time_us for alarm in alarms if _within(alarm, fault)))
        for fault in truth
        if any(_within(alarm, fault) for alarm in alarms)
    ]
    return Score(
        alarms=len(alarms),
        faults=len(truth),
        precision=len(right) / len(alarms) if alarms else None,
        recall=len(first) / len(truth) if truth else None,
        lead=timedelta(microseconds=round(mean(fault.until_us - at for fault, at in first))) if first else None,
    )


def played(truth: Iterable[Truth], start_us: int, end_us: int | None) -> tuple[Truth, ...]:
    """Give the faults of a play in [start_us, end_us), each cut to it; without an end it goes on for ever."""
    cut = (
        replace(
            one,
            from_us=max(one.from_us, start_us),
            until_us=one.until_us if end_us is None else min(one.until_us, end_us),
        )
        for one in truth
    )
    return tuple(one for one in cut if one.from_us < one.until_us)


def write_truth(path: Path, truth: Iterable[Truth]) -> None:
    """Write the truth as CSV: asset, fault, signal, from, until."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(_HEADER)
            for one in truth:
                table.writerow((one.asset, one.fault, one.signal, _text(one.from_us), _text(one.until_us)))
    except OSError as error:
        raise InvalidSettingError(f"{path} cannot be written: {error.strerror}") from None


def read_truth(path: Path) -> list[Truth]:
    """Read what `write_truth` wrote."""
    return [
        Truth(
            asset=row["asset"],
            fault=row["fault"],
            signal=row["signal"],
            from_us=_time(path, number, row["from"]),
            until_us=_time(path, number, row["until"]),
        )
        for number, row in _rows(path, _HEADER)
    ]


def read_alarms(path: Path) -> list[Alarm]:
    """Read alarms from CSV with the columns asset and time (RFC 3339); other columns are left alone."""
    return [
        Alarm(asset=row["asset"], time_us=_time(path, number, row["time"]))
        for number, row in _rows(path, ("asset", "time"))
    ]


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            missing = [column for column in columns if column not in (table.fieldnames or ())]
            if missing:
                raise InvalidSettingError(
                    f"{path} has no column {missing[0]!r}: its first line must name {', '.join(columns)}"
                )
            return [(table.line_num, row) for row in table]
    except OSError as error:
        raise InvalidSettingError(f"{path} cannot be read: {error.strerror}") from None


def _time(path: Path, line: int, text: str) -> int:
    try:
        return microseconds(datetime.fromisoformat(text), "time")
    except (ValueError, TypeError):
        raise InvalidSettingError(f"{path}, line {line}: {text!r} is no time as 2026-11-21T08:00:00Z") from None


def _within(alarm: Alarm, fault: Truth) -> bool:
    return alarm.asset == fault.asset and fault.from_us <= alarm.time_us < fault.until_us


def _text(time_us: int) -> str:
    return moment(time_us).isoformat().replace("+00:00", "Z")
