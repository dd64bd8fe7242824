"""Recordings: a CSV or Parquet file, ours or anyone's, as columns that can be played.

A wide file has a column for each signal. A long one has a row for each value, with the columns `stream`, `value` and,
for several machines, `asset`: what the platform's CSV answers are. One column is the time (RFC 3339 with its zone, or a
Parquet time stamp with one). Numbers become numbers, `true` and `false` booleans, anything else texts. Between two
rows, and in an empty cell, the last value holds. A value whose `status` is bad (32768 and above) is left out.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from simulators.columns import Column, Times
from simulators.errors import InvalidSettingError
from simulators.schedule import microseconds
from simulators.signals import Kind, Signal

Cell = object
Table = Mapping[str, Sequence[Cell]]

_SWITCHES = {"true": True, "false": False}
_PARQUET = frozenset({".parquet", ".pq"})
_LONG = ("stream", "value")
_BAD = 32768


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """What was recorded: the times in ascending order, and a column for each signal."""

    times_us: Times
    signals: tuple[Signal, ...]
    columns: Mapping[str, Column]


def read_recordings(
    path: Path, *, time: str = "time", columns: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None
) -> dict[str, Recording]:
    """Read a file; give each asset's recording by its name, which is empty where the file names none.

    `columns` maps the columns (of a long file, the streams) to signals and leaves the rest out; `units` are UCUM, by
    signal.
    """
    table = _parquet(path) if path.suffix in _PARQUET else _csv(path)
    return from_table(path, table, time=time, columns=columns, units=units)


def from_table(
    path: Path,
    table: Table,
    *,
    time: str = "time",
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
) -> dict[str, Recording]:
    """Give each asset's recording of what was read from a file; as `read_recordings`."""
    there = [name for name in table if name != time]
    is_long = all(name in table for name in _LONG) and not (columns and set(columns) & set(there))
    for name in (time, *(() if is_long else columns or ())):
        if name not in table:
            raise InvalidSettingError(f"{path} has no column {name!r}; it has {', '.join(table) or 'none'}")
    times = _times(path, table[time])
    order = np.argsort(times, kind="stable")
    if is_long:
        found = _long(table, times, order, columns)
    else:
        chosen = columns if columns is not None else {name: name for name in there}
        by_signal = {signal: [table[name][row] for row in order.tolist()] for name, signal in chosen.items()}
        found = {"": (times[order], by_signal)} if len(times) and by_signal else {}
    if not found:
        raise InvalidSettingError(f"{path} holds nothing to play: it needs a row and a column beside {time!r}")
    return {asset: _recording(at, cells, units or {}) for asset, (at, cells) in found.items()}


def read_recording(
    path: Path, *, time: str = "time", columns: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None
) -> Recording:
    """Read a file of one asset; as `read_recordings`."""
    recordings = read_recordings(path, time=time, columns=columns, units=units)
    if len(recordings) > 1:
        raise InvalidSettingError(f"{path} holds {len(recordings)} assets: {', '.join(recordings)}")
    return next(iter(recordings.values()))


def _csv(path: Path) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(line for line in file if not line.startswith("#"))
            names = next(lines, [])
            rows = [line + [""] * (len(names) - len(line)) for line in lines if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise InvalidSettingError(f"{path} cannot be read as CSV: {why}") from None
    return dict(zip(names, zip(*rows, strict=False), strict=False)) if rows else dict.fromkeys(names, ())


def _parquet(path: Path) -> Table:
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(path)
        return {name: table.column(name).to_pylist() for name in table.column_names}
    except (OSError, ArrowException) as error:
        raise InvalidSettingError(f"{path} cannot be read as Parquet: {error}") from None


def _long(
    table: Table, times: Times, order: Times, streams: Mapping[str, str] | None
) -> dict[str, tuple[Times, dict[str, list[Cell]]]]:
    """Gather the values of each asset and stream on the times of the asset; other streams' times hold their value."""
    assets = table.get("asset") or [""] * len(times)
    statuses = table.get("status") or [0] * len(times)
    rows: dict[str, dict[str, dict[int, Cell]]] = {}
    for row in order.tolist():
        stream = str(table["stream"][row])
        signal = stream if streams is None else streams.get(stream)
        if signal is None or int(str(statuses[row] or 0)) >= _BAD:
            continue
        rows.setdefault(str(assets[row]), {}).setdefault(signal, {})[int(times[row])] = _plain(table["value"][row])
    found = {}
    for asset, signals in rows.items():
        at = sorted(set().union(*signals.values()))
        cells = {signal: [values.get(time) for time in at] for signal, values in signals.items()}
        found[asset] = (np.array(at, dtype=np.int64), cells)
    return found


def _plain(cell: Cell) -> Cell:
    """Take off the apostrophe that the platform's CSV puts before a text that looks like a formula."""
    return cell[1:] if isinstance(cell, str) and cell[:1] == "'" and cell[1:2] in {"=", "+", "-", "@"} else cell


def _recording(times: Times, cells: Mapping[str, Sequence[Cell]], units: Mapping[str, str]) -> Recording:
    read = {signal: _column(column) for signal, column in cells.items()}
    signals = tuple(_signal(units, name, column) for name, column in read.items())
    return Recording(times_us=times, signals=signals, columns=read)


def _column(cells: Sequence[Cell]) -> Column:
    """Give cells as numbers, booleans or texts, empty ones filled with the value before (or the first there is)."""
    known = next((cell for cell in cells if not _empty(cell)), "")
    filled: list[Cell] = []
    for cell in cells:
        known = known if _empty(cell) else cell
        filled.append(known)
    texts = [str(cell) for cell in filled]
    if all(text.lower() in _SWITCHES for text in texts):
        return np.array([_SWITCHES[text.lower()] for text in texts], dtype=np.bool_)
    try:
        numbers = np.array([float(text) for text in texts], dtype=np.float64)
    except ValueError:
        return np.array(texts)
    return numbers if np.isfinite(numbers).all() else np.array(texts)


def _empty(cell: Cell) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _signal(units: Mapping[str, str], name: str, column: Column) -> Signal:
    kind = {"f": Kind.NUMBER, "b": Kind.BOOLEAN}.get(column.dtype.kind, Kind.TEXT)
    unit = units.get(name, "1") if kind is Kind.NUMBER else ""
    return Signal(name=name, quantity="recorded", unit=unit, kind=kind, decimals=None, description=f"Recorded {name}")


def _times(path: Path, cells: Sequence[Cell]) -> Times:
    times = np.empty(len(cells), dtype=np.int64)
    for row, cell in enumerate(cells):
        try:
            at = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell))
        except ValueError:
            raise InvalidSettingError(f"{path}, line {row + 2}: {cell!r} is no time as 2026-11-21T08:00:00Z") from None
        times[row] = microseconds(at, f"{path}, line {row + 2}: time")
    return times
