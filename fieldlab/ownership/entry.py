"""What the catalogue says of a stream: what it is, and which stretches may be had, of whom and on what terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from uuid import UUID

from fieldlab.assets.asset import Stream
from fieldlab.ownership.agreement import Agreement
from fieldlab.ownership.decision import NOTHING_SAID, Right, decide
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.segment import Basis, Segment


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """A stretch that may be had from one owner on one basis; where `purposes` are named, one of them must be stated."""

    interval: Interval
    owner: str
    trial: str | None
    basis: Basis
    purposes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A stream in the catalogue. `about` describes its asset; `coverage` is in the order of time and never empty."""

    stream: Stream
    asset_name: str
    about: str
    coverage: tuple[Coverage, ...]


def covered(rights: Sequence[Right], agreements: Mapping[UUID, Agreement]) -> Mapping[int, tuple[Coverage, ...]]:
    """Give by stream what may be had; rights come by stream, and by time.

    It is the decision itself, of somebody who states whatever purpose and format an agreement asks for. Neighbours of
    one owner, trial and basis are joined: a catalogue tells what may be had, not how it was booked.
    """
    open_to_all = {id_: _unconditional(agreement) for id_, agreement in agreements.items()}
    segments = decide(rights, open_to_all, NOTHING_SAID).segments
    purposes = {id_: agreement.terms.declared.purposes for id_, agreement in agreements.items()}
    return {
        stream: tuple(_joined(list(of_stream), purposes))
        for stream, of_stream in groupby(segments, key=lambda segment: segment.stream)
    }


def _unconditional(agreement: Agreement) -> Agreement:
    declared = replace(agreement.terms.declared, purposes=())
    return replace(agreement, terms=replace(agreement.terms, declared=declared))


def _joined(segments: Sequence[Segment], purposes: Mapping[UUID, tuple[str, ...]]) -> list[Coverage]:
    joined: list[Coverage] = []
    for segment in segments:
        one = Coverage(
            interval=segment.interval,
            owner=segment.owner,
            trial=segment.trial,
            basis=segment.basis,
            purposes=() if segment.basis.agreement is None else purposes[segment.basis.agreement],
        )
        before = joined[-1] if joined else None
        if before is not None and replace(before, interval=one.interval) == one and _touch(before, one):
            joined[-1] = replace(one, interval=Interval(start=before.interval.start, until=one.interval.until))
        else:
            joined.append(one)
    return joined


def _touch(before: Coverage, after: Coverage) -> bool:
    return before.interval.until == after.interval.start
