"""The decision as every read of measurements opens with it: who asks, for which streams, with what right, in one trip.

The database binds the transaction to whoever presents the credential, finds the streams and tells the rights; which of
them holds for which stretch is decided in `fieldlab.ownership.decision`. What is read in the transaction is bound.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, LiteralString
from uuid import UUID

import orjson
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row

from fieldlab.assets.asset import Kind, Nature, Stream
from fieldlab.assets.name import split_reference
from fieldlab.errors import NotFound, Unauthenticated
from fieldlab.ownership import document
from fieldlab.ownership.access import Access, AccessKind
from fieldlab.ownership.agreement import Agreement, Party, State
from fieldlab.ownership.decision import Ask, Right, decide
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import BasisKind, Segment, SegmentGap
from fieldlab.ownership.terms import Terms
from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import FOREVER, Instant
from fieldlab.storage import accesses
from fieldlab.storage.array import array, array_of_names
from fieldlab.storage.pool import Connection, Pool, counting
from fieldlab.storage.selection import Last, StreamsOf, StreamsOfTrial, Wanted
from fieldlab.storage.transaction import reached
from fieldlab.storage.trip import trip

BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ"
"""One moment for the decision and all that is read on it; not read-only, because the access is noted in it."""

COMMIT: Final = "COMMIT"
ROLLBACK: Final = "ROLLBACK"

_DECISION: Final = """
    SELECT * FROM visible.decision(%(presented)s, %(ids)s::uuid[], %(assets)s::text[], %(names)s::text[], %(of_asset)s,
                                   %(since)s, %(before)s, %(span)s, %(preview)s)
"""
"""Binds the transaction and tells streams, rights, gaps and agreements."""

_BIND: Final = "SELECT key FROM visible.bind(%(presented)s)"
_TRIAL: Final = "SELECT id FROM visible.trial_streams(%(trial)s)"
"""The streams of a trial of which the reader may have anything; asked before the decision."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """For which streams, over which time, on what ground; `kind` and `shape` say how it will be read.

    Without a kind it is a part of an answer that the ledger knows of already, as `entry`.
    """

    streams: Wanted
    interval: Interval | Last
    ask: Ask
    kind: AccessKind | None
    entry: UUID | None = None
    preview: UUID | None = None
    shape: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """A decision, and the open transaction in which it holds.

    `decided_at` is the database's clock, `interval` the one decided on, `streams` come in the order asked, each once,
    `segments` by stream and then by time. `access` is what the ledger hears of it, `entry` the id of what it has then.
    """

    connection: Connection
    decided_at: Instant
    interval: Interval
    streams: tuple[Stream, ...]
    segments: tuple[Segment, ...]
    access: Access | None
    entry: UUID | None

    async def read(self, statement: LiteralString, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Note the access, run the one statement that reads, and commit: in one trip.

        Times come as PostgreSQL counts them; see `fieldlab.storage.columns.instants`.
        """
        async with counting(self.connection) as cursor:
            async with trip(self.connection):
                await accesses.note(self.connection, self.access, part_of=self.entry)
                await cursor.execute(statement, parameters)
                await self.connection.execute(COMMIT)
            return await cursor.fetchall()

    async def close(self) -> None:
        """Note the access and commit, where there is nothing to read."""
        async with trip(self.connection):
            await accesses.note(self.connection, self.access, part_of=self.entry)
            await self.connection.execute(COMMIT)


@asynccontextmanager
async def deciding(scope: ReadScope, pool: Pool, question: Question) -> AsyncIterator[Decided]:
    """Open a transaction bound to the scope's participant and decide what it may read of what is asked.

    The transaction ends with `Decided.read` or `Decided.close`, or undone. Raises Unauthenticated if the credential is
    void, NotFound for a stream or asset that is not there or hidden, OutsideAgreement for a purpose or format that an
    agreement does not allow.
    """
    async with borrowed(pool) as connection:
        references = await _references(scope, connection, question.streams)
        async with connection.cursor(binary=True, row_factory=namedtuple_row) as cursor:
            async with trip(connection):
                await connection.execute(BEGIN)
                await cursor.execute(_DECISION, _asked(scope, question, references))
            row = await cursor.fetchone()
        if row is None:
            raise Unauthenticated("This token is no longer valid: it has expired or was revoked.")
        yield _decided(connection, question, references, row)


@asynccontextmanager
async def borrowed(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection; a transaction that is still open at the end is undone."""
    with reached():
        connection = await pool.getconn()
        try:
            yield connection
        finally:
            if connection.info.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
                await connection.execute(ROLLBACK)
            await pool.putconn(connection)


async def _references(scope: ReadScope, connection: Connection, wanted: Wanted) -> tuple[str, ...]:
    """Give the streams that are asked for by name or id; of a trial those that it had and the reader may see."""
    match wanted:
        case StreamsOf():
            return ()
        case StreamsOfTrial(trial=trial):
            async with connection.cursor() as cursor:
                async with trip(connection):
                    await connection.execute(BEGIN)
                    await connection.execute(_BIND, {"presented": scope.credential.digest})
                    await cursor.execute(_TRIAL, {"trial": trial})
                    await connection.execute(COMMIT)
                found = tuple(str(id_) for (id_,) in await cursor.fetchall())
            if not found:
                raise NotFound(f"There is no trial {trial!r}; GET /v1/trials lists those you can see.")
            return found
        case _:
            return wanted


def named(references: Iterable[str]) -> dict[str, object]:
    """Tell ids from pairs of asset and name, as the functions of the database take them; leave out what is neither."""
    pairs, ids = [], []
    for reference in references:
        if pair := split_reference(reference):
            pairs.append(pair)
        elif id_ := uuid_of(reference):
            ids.append(id_)
    return {
        "ids": array(ids),
        "assets": array_of_names(asset for asset, _ in pairs),
        "names": array_of_names(name for _, name in pairs),
    }


def _asked(scope: ReadScope, question: Question, references: Sequence[str]) -> dict[str, object]:
    streams, interval = question.streams, question.interval
    return {
        **named(references),
        "presented": scope.credential.digest,
        "of_asset": streams.asset if isinstance(streams, StreamsOf) else None,
        "since": None if isinstance(interval, Last) else interval.start,
        "before": None if isinstance(interval, Last) else min(interval.until, FOREVER),
        "span": interval.duration if isinstance(interval, Last) else None,
        "preview": question.preview,
    }


def _decided(
    connection: Connection,
    question: Question,
    references: Sequence[str],
    row: Any,  # noqa: ANN401 - a row of the decision
) -> Decided:
    wanted = question.streams
    streams = _streams(wanted if isinstance(wanted, StreamsOf) else references, row)
    rights = _rights(row, [stream.key for stream in streams])
    if isinstance(wanted, StreamsOfTrial):
        rights = [right for right in rights if right.trial == wanted.trial]
    decision = decide(rights, _agreements(row), question.ask)
    decision.require(question.ask)
    segments = _with_gaps(decision.segments, row)
    interval = Interval(start=row.start, until=row.until)
    access = (
        None
        if question.kind is None
        else Access(
            kind=question.kind,
            segments=segments,
            question={
                "streams": [stream.reference for stream in streams],
                "from": str(interval.start),
                "until": str(interval.until),
                **question.shape,
            },
            purpose=question.ask.purpose,
        )
    )
    return Decided(
        connection=connection,
        decided_at=row.decided_at,
        interval=interval,
        streams=streams,
        segments=segments,
        access=access,
        entry=question.entry if access is None else access.id,
    )


def _streams(wanted: StreamsOf | Sequence[str], row: Any) -> tuple[Stream, ...]:  # noqa: ANN401 - a row of the decision
    if not isinstance(wanted, StreamsOf):
        return chosen(wanted, map(stream_of, orjson.loads(row.streams)))
    if not row.asset_is_there:
        raise NotFound(f"There is no asset {wanted.asset!r}; GET /v1/assets lists those you can see.")
    return tuple(sorted(map(stream_of, orjson.loads(row.streams)), key=lambda stream: stream.name))


def chosen(references: Sequence[str], found: Iterable[Stream]) -> tuple[Stream, ...]:
    """Give the streams that are asked for, in that order, each once, of those that the database found.

    Raises NotFound for one that is not there or hidden.
    """
    known = {name: stream for stream in found for name in (stream.reference, str(stream.id))}
    asked: dict[int, Stream] = {}
    for reference in references:
        match = known.get(reference) or known.get(str(uuid_of(reference)))
        if match is None:
            raise NotFound(f"There is no stream {reference!r}; GET /v1/streams lists those you can see.")
        asked[match.key] = match
    return tuple(asked.values())


def stream_of(columns: Sequence[Any]) -> Stream:
    """Read a stream as the database writes it; its id may be a text."""
    key, id_, asset, name, kind, unit, quantity, semantic_id, description, nature = columns
    return Stream(
        key=key,
        id=id_ if isinstance(id_, UUID) else UUID(id_),
        asset=asset,
        name=name,
        kind=Kind(kind),
        unit=unit,
        quantity=quantity,
        semantic_id=semantic_id,
        description=description,
        nature=Nature(nature),
    )


def _rights(row: Any, order: Sequence[int]) -> list[Right]:  # noqa: ANN401 - a row of the decision
    place = {key: number for number, key in enumerate(order)}
    rights = [
        Right(
            stream=stream,
            interval=Interval(start=start, until=until),
            tenure=tenure,
            owner=owner,
            trial=trial,
            kind=BasisKind(basis),
            agreement=agreement,
        )
        for stream, start, until, tenure, owner, trial, basis, agreement in zip(
            row.right_streams or (), row.right_starts or (), row.right_untils or (), row.right_tenures or (),
            row.right_owners or (), row.right_trials or (), row.right_bases or (), row.right_agreements or (),
            strict=True,
        )
        if stream in place
    ]  # fmt: skip
    nobody = UUID(int=0)
    rights.sort(key=lambda r: (place[r.stream], r.interval.start, r.interval.until, r.agreement or nobody))
    return rights


def _agreements(row: Any) -> dict[UUID, Agreement]:  # noqa: ANN401 - a row of the decision
    if not row.agreement_ids:
        return {}
    return {
        id_: Agreement(
            id=id_,
            terms=_terms(text),
            text=text,
            hash=hash_,
            state=State(state),
            proposed_by=Party(proposer),
            proposed_at=proposed,
            answer_by=deadline,
            replaces=replaced,
        )
        for id_, text, hash_, state, proposer, proposed, deadline, replaced in zip(
            row.agreement_ids, row.agreement_terms, row.agreement_hashes, row.agreement_states, row.agreement_proposers,
            row.agreement_proposals, row.agreement_deadlines, row.agreement_replaced, strict=True,
        )
    }  # fmt: skip


@lru_cache(maxsize=1024)
def _terms(text: str) -> Terms:
    """Read the text of an agreement, which never changes."""
    return document.read(text)


def _with_gaps(segments: tuple[Segment, ...], row: Any) -> tuple[Segment, ...]:  # noqa: ANN401 - a row of the decision
    if not row.gap_tenures:
        return segments
    gaps: dict[tuple[int, UUID | None], list[SegmentGap]] = {}
    for tenure, start, until, cause, agreement in zip(
        row.gap_tenures, row.gap_starts, row.gap_untils, row.gap_causes, row.gap_agreements, strict=True
    ):
        hole = SegmentGap(interval=Interval(start=start, until=until), cause=Cause(cause))
        gaps.setdefault((tenure, agreement), []).append(hole)
    return tuple(
        replace(segment, gaps=_within(segment.interval, gaps[segment.tenure, segment.basis.agreement]))
        if (segment.tenure, segment.basis.agreement) in gaps
        else segment
        for segment in segments
    )


def _within(interval: Interval, gaps: Iterable[SegmentGap]) -> tuple[SegmentGap, ...]:
    clipped = ((gap, gap.interval.clipped(interval)) for gap in gaps)
    return tuple(replace(gap, interval=part) for gap, part in clipped if part is not None)


def uuid_of(text: str) -> UUID | None:
    """Read an id; None for anything else, such as a reference."""
    try:
        return UUID(text)
    except ValueError:
        return None
