"""A trial as one handle: what a reader may have of it, gathered from the catalogue."""

from collections.abc import Iterable
from dataclasses import dataclass

from fieldlab.ownership.entry import Coverage, Entry
from fieldlab.ownership.interval import Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A named use case of one participant, as far as the reader may have something of it.

    `interval` reaches from its first to its last readable moment; `streams` are references, in the catalogue's order.
    """

    slug: str
    owner: str
    interval: Interval
    streams: tuple[str, ...]
    assets: tuple[str, ...]
    licences: tuple[str, ...]
    purposes: tuple[str, ...]


def trials(entries: Iterable[Entry]) -> tuple[Trial, ...]:
    """Gather the trials of a catalogue, by slug."""
    found: dict[str, list[tuple[Entry, Coverage]]] = {}
    for entry in entries:
        for coverage in entry.coverage:
            if coverage.trial is not None:
                found.setdefault(coverage.trial, []).append((entry, coverage))
    return tuple(_trial(slug, parts) for slug, parts in sorted(found.items()))


def _trial(slug: str, parts: list[tuple[Entry, Coverage]]) -> Trial:
    stretches = [coverage for _, coverage in parts]
    return Trial(
        slug=slug,
        owner=stretches[0].owner,
        interval=Interval(
            start=min(one.interval.start for one in stretches), until=max(one.interval.until for one in stretches)
        ),
        streams=tuple(dict.fromkeys(entry.stream.reference for entry, _ in parts)),
        assets=tuple(dict.fromkeys(entry.stream.asset for entry, _ in parts)),
        licences=tuple(sorted({one.basis.licence for one in stretches if one.basis.licence})),
        purposes=tuple(sorted({purpose for one in stretches for purpose in one.purposes})),
    )
