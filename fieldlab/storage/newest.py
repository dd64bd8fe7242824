"""One sample of each stream: the newest, or the one in force at a time; each row is a segment of its own.

A reader's own newest values, where nothing of them is open to it under an agreement, come in one statement, which
binds, decides, notes and reads; everything else takes the decision first.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import pyarrow as pa

from fieldlab.assets.asset import Kind, Stream
from fieldlab.ownership.access import Access
from fieldlab.ownership.decision import OWN, Ask
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Basis, Segment
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import origin_of
from fieldlab.readings.status import shown
from fieldlab.storage.columns import TIME, instants, sample_schema
from fieldlab.storage.deciding import Decided, borrowed, chosen, named
from fieldlab.storage.pool import Pool
from fieldlab.storage.selection import Answer

_OWN: Final = """
    SELECT decided_at, streams, keys, tenures, owners, trials, times, readings, texts, statuses, origins
    FROM visible.own_latest(%(presented)s, %(ids)s, %(assets)s, %(names)s, %(entry)s, %(asked)s::jsonb, %(purpose)s)
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

_ASKED: Final = f'{{"from": "{ALWAYS.start}", "until": "{ALWAYS.until}"}}'
_OWN_BASIS: Final[Mapping[UUID | None, Basis]] = {None: OWN}


async def own(scope: ReadScope, pool: Pool, references: Sequence[str], ask: Ask) -> Answer | None:
    """Answer the newest values of streams in one trip where all are there and only the reader's own; else None.

    The access is noted with its rows, so no end of it is told.
    """
    named_ = named(references)
    if len(named_["ids"]) + len(named_["assets"]) != len(references):
        return None
    asked = {
        **named_,
        "presented": scope.credential.digest,
        "entry": uuid4(),
        "asked": _ASKED,
        "purpose": ask.purpose,
    }
    async with borrowed(pool) as connection, connection.cursor(binary=True) as cursor:
        await cursor.execute(_OWN, asked)
        row = await cursor.fetchone()
    if row is None:
        return None
    decided_at, found, keys, tenures, owners, trials, *samples = row
    streams = chosen(references, found)
    order = {stream.key: place for place, stream in enumerate(streams)}
    rows = [
        (key, tenure, owner, trial, None, *sample)
        for key, tenure, owner, trial, *sample in zip(
            *(column or () for column in (keys, tenures, owners, trials, *samples)), strict=True
        )
    ]
    rows.sort(key=lambda one: order[one[0]])
    return _answer(decided_at, ALWAYS, streams, _OWN_BASIS, rows, until=None, access=None)


async def latest(decided: Decided) -> Answer:
    """Answer the newest readable value of each stream on a decision."""
    return _decided(decided, await decided.read(_LATEST, _single(decided)), until=None)


async def in_force(decided: Decided, moment: Instant, *, good_only: bool) -> Answer:
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


def _decided(decided: Decided, found: Sequence[tuple[Any, ...]], *, until: Instant | None) -> Answer:
    times = instants([row[5] for row in found]).tolist()
    rows = [(*row[:5], Instant(time), *row[6:]) for row, time in zip(found, times, strict=True)]
    bases = {segment.basis.agreement: segment.basis for segment in decided.segments}
    return _answer(
        decided.decided_at, decided.interval, decided.streams, bases, rows, until=until, access=decided.access
    )


def _answer(
    decided_at: Instant,
    interval: Interval,
    streams: tuple[Stream, ...],
    bases: Mapping[UUID | None, Basis],
    newest: Sequence[tuple[Any, ...]],
    *,
    until: Instant | None,
    access: Access | None,
) -> Answer:
    """Make an answer of one sample a stream, each a segment until a moment, or for its own moment."""
    segments = tuple(
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
        for number, (stream, tenure, owner, trial, agreement, time, *_, origin) in enumerate(newest)
    )
    columns = {
        "time": pa.array([row[5] for row in newest], pa.int64()).view(TIME),
        "value": pa.array([row[6] for row in newest], pa.float64()),
        "text": pa.array([row[7] for row in newest], pa.string()),
        "status": pa.array([shown(row[8]) for row in newest], pa.uint16()),
        "origin": pa.array([origin_of(row[9]) for row in newest], pa.int8()),
        "segment": pa.array(range(len(newest)), pa.int32()),
    }
    schema = sample_schema(with_text=any(stream.kind is Kind.TEXT for stream in streams))
    return Answer(
        decided_at=decided_at,
        interval=interval,
        streams=streams,
        segments=segments,
        rows=pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema),
        access=access,
    )
