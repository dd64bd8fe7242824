"""One sample of each stream: the newest, or the one in force at a time; each is a segment of its own.

A reader's own newest values, where nothing of them is open to it under an agreement, come in one statement, which
decides, reads and notes; everything else takes the decision first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

import pyarrow as pa

from fieldlab.assets.asset import Kind, Stream
from fieldlab.assets.name import split_reference
from fieldlab.ownership.access import NOTHING_SEALED, Access, Checkpoint
from fieldlab.ownership.decision import OWN, Ask
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Basis, Segment
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import origin_of
from fieldlab.readings.status import shown
from fieldlab.storage.columns import TIME, instants, sample_schema
from fieldlab.storage.deciding import Decided, borrowed, chosen, named, stream_of, uuid_of
from fieldlab.storage.pool import Pool
from fieldlab.storage.selection import Answer

_OWN: Final = """
    SELECT decided_at, key, id, asset, name, kind, unit, quantity, semantic_id, description, nature,
           tenure, owner, trial, NULL::uuid, time, value, text, status, origin
    FROM visible.own_latest(%(presented)s, %(ids)s::uuid[], %(assets)s::text[], %(names)s::text[], %(purpose)s)
"""
"""The reader's own newest samples, noted with their rows; no row where another right, or none, comes into play."""

_LATEST: Final = """
    SELECT stream, tenure, owner, trial, agreement, time, value, text, status, origin
    FROM visible.latest(%(streams)s, CAST(%(under)s AS uuid[]))
"""
"""The newest readable sample of each stream."""

_IN_FORCE: Final = """
    SELECT stream, tenure, owner, trial, agreement, time, value, text, status, origin
    FROM visible.in_force(%(streams)s, %(at)s, %(good_only)s, CAST(%(under)s AS uuid[]))
"""
"""The sample of each stream that is in force at a time, within the tenure of that time."""


_OWN_BASIS: Final[Mapping[UUID | None, Basis]] = {None: OWN}
_STREAM_ENDS: Final = 11
"""Columns of a row of one's own that tell its stream; those of a row on a decision follow, but for its stream."""

_TIME: Final = 5


class Sample(NamedTuple):
    """One measurement: a number or a text, or neither."""

    time: Instant
    value: float | None
    text: str | None
    status: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Newest:
    """The streams that were asked for, and for each segment its one sample, in the same order.

    `access` is its entry in the ledger, whose end is still to be told; None where the entry knows its rows already.
    """

    decided_at: Instant
    interval: Interval
    streams: tuple[Stream, ...]
    segments: tuple[Segment, ...]
    samples: tuple[Sample, ...]
    access: Access | None
    checkpoint: Checkpoint = NOTHING_SEALED

    def answer(self) -> Answer:
        """Give the same in columns."""
        columns = {
            "time": pa.array([sample.time for sample in self.samples], pa.int64()).view(TIME),
            "value": pa.array([sample.value for sample in self.samples], pa.float64()),
            "text": pa.array([sample.text for sample in self.samples], pa.string()),
            "status": pa.array([sample.status for sample in self.samples], pa.uint16()),
            "origin": pa.array([origin for segment in self.segments for origin in segment.origins or ()], pa.int8()),
            "segment": pa.array([segment.number for segment in self.segments], pa.int32()),
        }
        schema = sample_schema(with_text=any(stream.kind is Kind.TEXT for stream in self.streams))
        return Answer(
            decided_at=self.decided_at,
            interval=self.interval,
            streams=self.streams,
            segments=self.segments,
            rows=pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema),
            access=self.access,
            checkpoint=self.checkpoint,
        )


async def own(scope: ReadScope, pool: Pool, references: Sequence[str], ask: Ask) -> Newest | None:
    """Answer the newest values of streams in one trip where all are there and only the reader's own; else None.

    The access is noted with its rows, so no end of it is told.
    """
    if not all(split_reference(reference) or uuid_of(reference) for reference in references):
        return None
    asked = {**named(references), "presented": scope.credential.digest, "purpose": ask.purpose}
    async with borrowed(pool) as connection:
        rows = await (await connection.execute(_OWN, asked, binary=True)).fetchall()
    if not rows:
        return None
    streams = chosen(references, [stream_of(row[1:_STREAM_ENDS]) for row in rows])
    by_stream = {row[1]: (row[1], *row[_STREAM_ENDS:]) for row in rows if row[_STREAM_ENDS] is not None}
    newest = [by_stream[stream.key] for stream in streams if stream.key in by_stream]
    return _newest(rows[0][0], ALWAYS, streams, newest, bases=_OWN_BASIS, until=None, access=None)


async def latest(decided: Decided) -> Newest:
    """Answer the newest readable value of each stream on a decision."""
    return _decided(decided, await decided.read(_LATEST, _single(decided)), until=None)


async def in_force(decided: Decided, moment: Instant, *, good_only: bool) -> Newest:
    """Answer the value of each stream that is in force at a moment, on a decision."""
    asked = {**_single(decided), "at": moment, "good_only": good_only}
    return _decided(decided, await decided.read(_IN_FORCE, asked), until=Instant(moment + 1))


def _single(decided: Decided) -> dict[str, object]:
    agreements = dict.fromkeys(segment.basis.agreement for segment in decided.segments)
    open_ = {segment.stream for segment in decided.segments}
    return {
        "streams": [stream.key for stream in decided.streams if stream.key in open_],
        "under": [agreement for agreement in agreements if agreement is not None],
    }


def _decided(decided: Decided, found: Sequence[tuple[Any, ...]], *, until: Instant | None) -> Newest:
    times = instants([row[_TIME] for row in found]).tolist()
    rows = [(*row[:_TIME], Instant(time), *row[_TIME + 1 :]) for row, time in zip(found, times, strict=True)]
    bases = {segment.basis.agreement: segment.basis for segment in decided.segments}
    return _newest(
        decided.decided_at,
        decided.interval,
        decided.streams,
        rows,
        bases=bases,
        until=until,
        access=decided.access,
    )


def _newest(
    decided_at: Instant,
    interval: Interval,
    streams: tuple[Stream, ...],
    rows: Sequence[tuple[Any, ...]],
    *,
    bases: Mapping[UUID | None, Basis],
    until: Instant | None,
    access: Access | None,
) -> Newest:
    """Make a segment of each row, until a moment, or for the moment of its sample alone."""
    return Newest(
        decided_at=decided_at,
        interval=interval,
        streams=streams,
        segments=tuple(
            Segment(
                number=number,
                stream=stream,
                interval=Interval(start=time, until=until or Instant(time + 1)),
                tenure=tenure,
                owner=owner,
                trial=trial,
                basis=bases[agreement],
                origins=(origin_of(origin),),
            )
            for number, (stream, tenure, owner, trial, agreement, time, *_, origin) in enumerate(rows)
        ),
        samples=tuple(
            Sample(time=time, value=value, text=text, status=shown(status))
            for *_, time, value, text, status, _origin in rows
        ),
        access=access,
    )
