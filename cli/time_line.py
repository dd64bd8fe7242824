"""A machine's tenures as lines of text: one line a tenure, with its place on a common axis of time. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from fieldlab.readings.instant import FOREVER, MINUTE, NEVER, SECOND, Instant

_AXIS: Final = 40
_MARGIN: Final = 8
"""What open ends get of the axis: an eighth of all that is bounded, on each side."""

_BOOKED, _FREE, _NOW = "█", "░", "│"
_HEADINGS: Final = ("from", "until", "owner", "trial", "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A tenure as a line of the drawing: `[start, until)`, whose, and what for."""

    start: Instant
    until: Instant
    owner: str
    trial: str | None
    booked: bool

    @classmethod
    def of(cls, shown: dict[str, Any]) -> Self:
        """Read a tenure as the query service shows it."""
        return cls(
            start=_moment(shown["from"]),
            until=_moment(shown["until"]),
            owner=shown["owner"],
            trial=shown["trial"],
            booked=shown["booked"],
        )


def drawn(tenures: Iterable[dict[str, Any]], now: Instant) -> list[str]:
    """Draw tenures as the query service lists them: streams that have gone the same way share their lines."""
    streams: dict[str, list[Stretch]] = {}
    for shown in tenures:
        streams.setdefault(f"{shown['asset']}.{shown['stream']}", []).append(Stretch.of(shown))
    alike: dict[tuple[Stretch, ...], list[str]] = {}
    for stream, stretches in streams.items():
        alike.setdefault(tuple(stretches), []).append(stream)
    axis = _axis([one for way in alike for one in way], now)
    lines: list[str] = []
    for way, names in alike.items():
        lines += ["", *names] if lines else names
        lines += _table(way, axis, now)
    return lines


def _table(stretches: Sequence[Stretch], axis: tuple[Instant, Instant], now: Instant) -> list[str]:
    rows = [_HEADINGS]
    rows += [
        (_shown(one.start), _shown(one.until), one.owner, (one.trial or "-") if one.booked else "not booked", bar)
        for one, bar in ((one, _bar(one, axis, now)) for one in stretches)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _axis(stretches: Sequence[Stretch], now: Instant) -> tuple[Instant, Instant]:
    """Give the time that the drawing covers: all bounds and now, and some more for what is open."""
    bounds = [now, *(at for one in stretches for at in (one.start, one.until) if at.finite)]
    margin = max((max(bounds) - min(bounds)) // _MARGIN, MINUTE)
    return Instant(min(bounds) - margin), Instant(max(bounds) + margin)


def _bar(one: Stretch, axis: tuple[Instant, Instant], now: Instant) -> str:
    first, last = axis
    width = (last - first) / _AXIS
    cells = []
    for cell in range(_AXIS):
        start, until = first + cell * width, first + (cell + 1) * width
        held = one.start < until and start < one.until
        cells.append(_NOW if start <= now < until else (_BOOKED if one.booked else _FREE) if held else " ")
    if not {_BOOKED, _FREE} & {*cells}:  # shorter than a cell, or behind the mark of now
        middle = min(max(one.start, first), last)
        cells[min(int((middle - first) / width), _AXIS - 1)] = _BOOKED if one.booked else _FREE
    return "".join(cells)


def _shown(at: Instant) -> str:
    if not at.finite:
        return "…"
    return str(at)[: -len(".000000Z")] + "Z" if at % SECOND == 0 else str(at)


def _moment(text: str) -> Instant:
    return {"infinity": FOREVER, "-infinity": NEVER}.get(text) or Instant.parse(text)
