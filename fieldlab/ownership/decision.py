"""The decision: which stretches of the asked streams one may read, each on one basis. Pure; the database enforces it.

Rights are what the database holds for the reader: its own tenures, and for each agreement the stretches that it opens.
Own stretches never overlap. Where several agreements open the same stretch, the caller names one, or it is the one with
the smallest floor, then the smallest embargo, then the earliest end, then the id. Two are never mixed in a segment.
Broken glass serves only whoever names it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final
from uuid import UUID

from fieldlab.errors import OutsideAgreement
from fieldlab.ownership.agreement import Agreement
from fieldlab.ownership.floor import fits, snapped
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.segment import Basis, BasisKind, Segment, Shape
from fieldlab.ownership.terms import DataFormat
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.calendar import Step
from fieldlab.readings.instant import NEVER, Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Right:
    """A stretch of one stream that the reader may see, cut at the tenure's bounds and an agreement's terms."""

    stream: int
    interval: Interval
    tenure: int
    owner: str
    trial: str | None
    kind: BasisKind
    agreement: UUID | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """On what ground, for what and in which format a caller asks; None where nothing is said.

    With `live` it wants to follow samples as they arrive.
    """

    basis: UUID | None = None
    purpose: str | None = None
    format: DataFormat | None = None
    live: bool = False


NOTHING_SAID: Final = Ask()


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why an agreement that covers what is asked does not serve."""

    agreement: UUID
    reason: str
    purpose: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The segments, by stream as asked and then by time, and the agreements that do not serve this caller."""

    segments: tuple[Segment, ...]
    refusals: tuple[Refusal, ...] = ()

    def require(self, ask: Ask) -> None:
        """Raise OutsideAgreement where leaving a stretch out would hide from a caller what it said wrongly.

        That is a stated purpose that is outside, an agreement named that does not serve, or nothing left at all.
        """
        for refusal in self.refusals:
            stated = refusal.purpose is not None and ask.purpose is not None
            if stated or refusal.agreement == ask.basis or not self.segments:
                raise OutsideAgreement(refusal.reason, agreement=refusal.agreement, purpose=refusal.purpose)


OWN: Final = Basis(kind=BasisKind.OWN)


def decide(rights: Sequence[Right], agreements: Mapping[UUID, Agreement], ask: Ask) -> Decision:
    """Choose one basis for every stretch; rights come by stream as asked, and by time."""
    if all(right.agreement is None for right in rights):
        return Decision(segments=tuple(_segment(n, right, right.interval, OWN) for n, right in enumerate(rights)))
    asked = {id_: agreement for id_, agreement in agreements.items() if ask.basis in {None, id_}}
    refused = {id_: refusal for id_, agreement in asked.items() if (refusal := _refusal(agreement, ask))}
    usable = [
        right
        for right in rights
        if right.agreement is None
        or (
            (right.agreement == ask.basis if right.kind is BasisKind.BREAK_GLASS else right.agreement in asked)
            and right.agreement not in refused
        )
    ]
    bases = {id_: _basis(agreement) for id_, agreement in agreements.items()}
    pieces = [
        piece
        for _, of_tenure in groupby(usable, key=lambda right: (right.stream, right.tenure))
        for piece in _cut(list(of_tenure), agreements)
    ]
    segments = tuple(
        _segment(number, right, interval, _ground(right, bases)) for number, (right, interval) in enumerate(pieces)
    )
    missed = {right.agreement for right in rights if right.agreement in refused} & _missed(rights, usable)
    return Decision(segments=segments, refusals=tuple(refused[id_] for id_ in sorted(refused) if id_ in missed))


def servable(segments: Iterable[Segment], step: Step | None, *, good_only: bool) -> bool:
    """Tell whether any of the segments can have rows: those with a floor want steps that fit it, and no filter."""
    return any(
        floor is None or (fits(step, floor) and not good_only)
        for floor in (segment.basis.shape.resolution_floor for segment in segments)
    )


def charted(segments: Iterable[Segment], *, good_only: bool) -> bool:
    """Tell whether a chart can show any of the segments: those with a floor give means, without a filter."""
    shapes = [segment.basis.shape for segment in segments]
    return any(
        shape.resolution_floor is None or (Aggregate.MEAN in (shape.aggregates or ()) and not good_only)
        for shape in shapes
    )


def _refusal(agreement: Agreement, ask: Ask) -> Refusal | None:
    purposes = agreement.terms.declared.purposes
    if purposes and ask.purpose not in purposes:
        said = f"{ask.purpose!r} is outside" if ask.purpose else "none was stated"
        reason = f"Agreement {agreement.id} is for {', '.join(purposes)} alone, and {said}; state one with purpose=…."
        return Refusal(agreement=agreement.id, reason=reason, purpose=ask.purpose)
    formats = agreement.terms.enforced.formats
    if ask.format is not None and ask.format not in formats:
        reason = f"Agreement {agreement.id} allows no {ask.format}; ask for {' or '.join(formats)}."
        return Refusal(agreement=agreement.id, reason=reason)
    if ask.live and not agreement.terms.enforced.live:
        reason = f"Agreement {agreement.id} does not allow to follow the data live; read it with /v1/measurements."
        return Refusal(agreement=agreement.id, reason=reason)
    if ask.live and agreement.terms.enforced.resolution_floor is not None:
        reason = f"Agreement {agreement.id} gives no samples, which live is; ask /v1/measurements with a step."
        return Refusal(agreement=agreement.id, reason=reason)
    return None


def _ground(right: Right, bases: Mapping[UUID, Mapping[BasisKind, Basis]]) -> Basis:
    if right.agreement is None:
        return OWN
    if right.kind is BasisKind.BREAK_GLASS:
        return Basis(kind=right.kind, agreement=right.agreement)
    return bases[right.agreement][right.kind]


def _basis(agreement: Agreement) -> dict[BasisKind, Basis]:
    kept = agreement.terms.enforced
    shape = Shape(
        resolution_floor=kept.resolution_floor,
        minimum_samples=kept.minimum_samples,
        aggregates=kept.aggregates,
        embargo=kept.embargo,
    )
    licence = agreement.terms.declared.licence
    return {
        kind: Basis(kind=kind, agreement=agreement.id, hash=agreement.hash, licence=licence, shape=shape)
        for kind in (BasisKind.AGREEMENT, BasisKind.PREVIEW)
    }


def _cut(rights: Sequence[Right], agreements: Mapping[UUID, Agreement]) -> Iterator[tuple[Right, Interval]]:
    """Cut what may overlap within one tenure into stretches with one right each, in order of time."""

    def preference(right: Right) -> tuple[int, int, int, Instant, UUID]:
        if right.agreement is None:
            return 0, 0, 0, NEVER, UUID(int=0)
        if right.agreement not in agreements:
            return 1, 0, 0, NEVER, right.agreement
        kept = agreements[right.agreement].terms.enforced
        return 2, kept.resolution_floor or 0, kept.embargo, kept.validity.until, right.agreement

    bounds = sorted({bound for right in rights for bound in (right.interval.start, right.interval.until)})
    chosen: list[tuple[Right, Interval]] = []
    for start, until in pairwise(bounds):
        covering = [right for right in rights if right.interval.start <= start and until <= right.interval.until]
        if not covering:
            continue
        best = covering[0] if len(covering) == 1 else min(covering, key=preference)
        if chosen and chosen[-1][0] is best and chosen[-1][1].until == start:
            chosen[-1] = best, Interval(start=chosen[-1][1].start, until=until)
        else:
            chosen.append((best, Interval(start=start, until=until)))
    for right, interval in chosen:
        under = agreements.get(right.agreement) if right.agreement else None
        floor = under.terms.enforced.resolution_floor if under else None
        whole = interval if floor is None else snapped(interval, floor)
        if whole is not None:
            yield right, whole


def _missed(rights: Iterable[Right], usable: Iterable[Right]) -> set[UUID | None]:
    open_: dict[tuple[int, int], list[Interval]] = {}
    for right in usable:
        open_.setdefault((right.stream, right.tenure), []).append(right.interval)
    return {
        right.agreement
        for right in rights
        if not any(one.covers(right.interval) for one in open_.get((right.stream, right.tenure), ()))
    }


def _segment(number: int, right: Right, interval: Interval, basis: Basis) -> Segment:
    return Segment(
        number=number,
        stream=right.stream,
        interval=interval,
        tenure=right.tenure,
        owner=right.owner,
        trial=right.trial,
        basis=basis,
    )
