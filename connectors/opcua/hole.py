"""What was missed and may be fetched from a server's history, node by node; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from connectors.opcua.address import event_of, node_of
from fieldlab.readings.gap import EARLIER, Cause, Gap, OpenGap
from fieldlab.readings.instant import SECOND, Instant

MOST: Final = 1_000
"""Holes that are remembered; the oldest beyond that stay as they are."""

_TOGETHER: Final = 60 * SECOND
"""How far apart nodes may be that are asked for together: what is read twice is thrown away."""


@dataclass(kw_only=True, slots=True)
class Missed:
    """What one node may have said meanwhile.

    `last` is the time of its last value before, None where that is not known; nothing up to `reached` is missing any
    more; `rooted` tells that its history goes back to before the hole; `recovered` counts by address what was fetched,
    `known` what of that was there before. It is not looked at before `due`.
    """

    last: Instant | None
    reached: Instant
    rooted: bool = False
    recovered: dict[str, int] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    tries: int = 0
    due: float = 0.0


@dataclass(kw_only=True, slots=True)
class Hole:
    """A stretch of time and the nodes that are missing in it; `gap` is None for one that nobody was promised.

    `following` gets the time of each node's first value after the hole.
    """

    start: Instant
    until: Instant
    gap: Gap | None
    nodes: dict[str, Missed]
    following: Mapping[str, Instant] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        gap: Gap,
        texts: Iterable[str],
        *,
        last: Mapping[str, Instant],
        following: Mapping[str, Instant] | None = None,
        noted: bool = True,
    ) -> "Hole":
        """Begin with every node where it was heard last; `noted` tells whether the gap was handed over."""
        nodes = {}
        for text in texts:
            known = last.get(text)
            reached = known if known is not None else Instant(gap.start - EARLIER if noted else gap.start)
            nodes[text] = Missed(last=known, reached=reached, rooted=not noted)
        return cls(
            start=gap.start,
            until=gap.until,
            gap=gap if noted else None,
            nodes=nodes,
            following=following if following is not None else {},
        )

    def next(self, now: float, *, most: int) -> list[str]:
        """Give nodes that are due and about equally far, the least far first."""
        due = sorted((text for text, missed in self.nodes.items() if missed.due <= now), key=self._reached)[:most]
        return [text for text in due if self._reached(text) - self._reached(due[0]) <= _TOGETHER]

    def is_missing(self, text: str, time: Instant) -> bool:
        """Tell whether a value of a node was missed, and was not fetched before."""
        return self.nodes[text].reached < time < min(self.following.get(text, self.until), self.until)

    def edge(self, text: str, present: Instant) -> Instant:
        """Give the time of the value up to which a node's history has to be read; `present` is its newest."""
        return min(self.following.get(text, present), self.until)

    def _reached(self, text: str) -> Instant:
        return self.nodes[text].reached

    def closed(self, text: str, addresses: Iterable[str]) -> list[Gap]:
        """Take a node out whose history was read to the end; give the gaps that are closed by it."""
        missed = self.nodes.pop(text)
        if self.gap is None:
            return []
        by_count: dict[int, list[str]] = {}
        for address in addresses:
            count = max(0, missed.recovered.get(address, 0) - missed.known.get(address, 0))
            by_count.setdefault(count, []).append(address)
        return [
            Gap(start=self.start, until=self.until, cause=self.gap.cause, addresses=tuple(some), recovered=count)
            for count, some in by_count.items()
        ]


@dataclass(kw_only=True, slots=True)
class Holes:
    """The holes that are left, the newest first."""

    _all: list[Hole] = field(default_factory=list)

    def add(self, hole: Hole) -> None:
        """Remember a hole, and forget the oldest where there are too many."""
        if hole.nodes:
            self._all.append(hole)
            self._all.sort(key=lambda one: one.start, reverse=True)
            del self._all[MOST:]

    def recall(self, hole: Hole) -> None:
        """Remember a hole of an earlier process, but for nodes that are being worked on already."""
        key = (hole.start, hole.until, hole.gap and hole.gap.cause)
        for one in self._all:
            if (one.start, one.until, one.gap and one.gap.cause) == key:
                hole.nodes = {text: missed for text, missed in hole.nodes.items() if text not in one.nodes}
        self.add(hole)

    def keep(self, wanted: Iterable[str]) -> None:
        """Forget nodes that are not wanted any more."""
        known = set(wanted)
        for hole in self._all:
            hole.nodes = {text: missed for text, missed in hole.nodes.items() if text in known}

    def newest(self, now: float) -> Hole | None:
        """Give the newest hole that is due; those with nothing left are forgotten."""
        self._all = [hole for hole in self._all if hole.nodes]
        return next((hole for hole in self._all if any(one.due <= now for one in hole.nodes.values())), None)

    def __len__(self) -> int:
        return len(self._all)


def recalled(gaps: Iterable[OpenGap]) -> list[Hole]:
    """Make holes of gaps that earlier processes left open, one of those with the same bounds and cause.

    Nothing is known of what came next, nor of what was fetched already: it is read again, and is there once all the
    same. What happened at nodes (events) has no history.
    """
    holes: dict[tuple[Instant, Instant, Cause], Hole] = {}
    for one in gaps:
        if event_of(one.address) is not None:
            continue
        gap = Gap(start=one.start, until=one.until, cause=one.cause)
        hole = holes.setdefault(
            (one.start, one.until, one.cause), Hole(start=one.start, until=one.until, gap=gap, nodes={})
        )
        text, begin = node_of(one.address), one.heard if one.heard is not None else Instant(one.start - EARLIER)
        missed = hole.nodes.setdefault(text, Missed(last=one.heard, reached=begin))
        missed.reached = min(missed.reached, begin)
        missed.known[one.address] = one.known
    return list(holes.values())
