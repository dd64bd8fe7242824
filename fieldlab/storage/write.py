"""Writing batches of the gateway: one batch is one transaction, and writing it again changes nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import errors

from fieldlab.assets.asset import Kind
from fieldlab.errors import Unavailable
from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import MINUTE, Instant
from fieldlab.readings.reject import Reason
from fieldlab.storage.account import AccountEntry, Fate, Fates, Refusal, account_of
from fieldlab.storage.connect import connect
from fieldlab.storage.encode import HEADER, TRAILER, ArrayDumper, encode
from fieldlab.storage.rows import Int32, Int64, Rows

_DAY: Final = 24 * 60 * MINUTE
_APART: Final = MINUTE
"""Rows of a stream that lie further apart belong to stretches of their own."""

_BLOCK: Final = 64 * 1024
_MOST_ANNOUNCED: Final = 900
"""Streams that a message of 8,000 bytes names."""

# Appends measurements whose rows all carry a number.
_COPY_NUMBERS: Final = "COPY fieldlab.measurement (stream_id, status, origin, time, value) FROM STDIN (FORMAT binary)"

# Appends measurements of which some carry a text, or nothing.
_COPY: Final = "COPY fieldlab.measurement (stream_id, status, origin, time, value, text) FROM STDIN (FORMAT binary)"

# Tells which rows are stored already, and whether with the same value.
_KNOWN: Final = 'SELECT "row", same FROM fieldlab.known_rows(%s, %s, %s::float8[], %s::text[], %s)'

# Keeps what could not become a measurement, even of a source that is gone meanwhile.
_REJECT: Final = """
    INSERT INTO fieldlab.reject (source_id, source, stream_id, received_at, reason, detail, raw, address, time, samples)
    SELECT s.id, coalesce(s.slug, 'source ' || given.source), given.stream, given.received_at, given.reason,
           given.detail, given.raw, given.address, given.time, given.samples
    FROM unnest(%s::integer[], %s::integer[], %s::timestamptz[], %s::text[], %s::text[], %s::bytea[], %s::text[],
                %s::timestamptz[], %s::integer[])
        AS given (source, stream, received_at, reason, detail, raw, address, time, samples)
    LEFT JOIN fieldlab.source AS s ON s.id = given.source
"""

# Keeps known holes of streams that are still there.
_GAP: Final = """
    INSERT INTO fieldlab.gap (stream_id, start, until, cause)
    SELECT hole.stream_id, hole.start, hole.until, hole.cause
    FROM unnest(%s::integer[], %s::timestamptz[], %s::timestamptz[], %s::text[])
        AS hole (stream_id, start, until, cause)
    JOIN fieldlab.stream AS s ON s.id = hole.stream_id
"""

# Closes holes that were told before, with how many samples were fetched for each.
_CLOSE_GAP: Final = """
    SELECT fieldlab.close_gaps(%s::integer[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::bigint[])
"""

# Ends a batch: advances the spool, appends to the accounts, announces; fails if the batch was written before.
_SETTLE: Final = """
    SELECT fieldlab.settle(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::integer[], %s::bigint[], %s::timestamptz[], %s)
"""

# Notes for live readers in which stretches of which streams the rows of this transaction lie.
_ARRIVED: Final = "SELECT fieldlab.note_arrival(%s, %s, %s)"

# Tells up to which record a spool is written.
_OPEN_SPOOL: Final = "SELECT fieldlab.open_spool(%s)"

# Notes what unbound addresses sent.
_NOTE_DISCOVERIES: Final = """
    SELECT fieldlab.note_discoveries(%s::integer[], %s::text[], %s::text[], %s::float8[], %s::text[], %s::integer[],
                                     %s::timestamptz[], %s::timestamptz[], %s::text[], %s)
"""

# Adds the entries of batches to the accounts.
_FOLD_ACCOUNTS: Final = "SELECT fieldlab.fold_accounts()"

# Forgets the arrivals that no live reader goes back to any more.
_FORGET_ARRIVALS: Final = "SELECT fieldlab.forget_arrivals()"

# Makes a commit wait for the disk where a careless default would not.
_DURABLE: Final = """
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamGap:
    """A known hole in one stream: samples measured in `[start, until)` may be missing.

    With `recovered` it was told before and is closed: so many samples were fetched for it.
    """

    stream: int
    start: Instant
    until: Instant
    cause: Cause
    recovered: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """What of one source still waits in a spool: how many samples and rejects, and since when the oldest."""

    source: int
    samples: int
    oldest: Instant | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What one transaction writes: the records `first` to `last` of a spool."""

    first: int
    last: int
    rows: Rows
    received_at: Instant
    refusals: tuple[Refusal, ...] = ()
    gaps: tuple[StreamGap, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretches:
    """Stretches of streams, from the first to the last row of each, in columns of equal length."""

    streams: Int32
    starts: Int64
    untils: Int64


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A batch with all that can be computed before the database is asked: made for the case that all its rows are new.

    `order` are the positions of all rows in the order of the key, `left` those to be stored, in the same order; the
    fates of the others are in `fates`. `refusals` are the batch's and those of rows in conflict with each other.
    """

    batch: Batch
    order: NDArray[np.int64]
    left: NDArray[np.int64]
    fates: Fates
    refusals: tuple[Refusal, ...]
    encoded: bytes
    with_text: bool
    entry: AccountEntry
    announced: str | None
    arrived: Stretches


def plan(batch: Batch) -> Plan:
    """Plan the writing of a batch."""
    rows = batch.rows
    fates = np.zeros(len(rows), np.int8)
    order = np.lexsort((rows.times, rows.streams))
    left = _first_of_each_key(rows, order, fates)
    encoded, with_text = encode(rows.take(left))
    return Plan(
        batch=batch,
        order=order,
        left=left,
        fates=fates,
        refusals=(*batch.refusals, *_refusals(batch, fates, {})),
        encoded=encoded,
        with_text=with_text,
        entry=account_of(rows, order, fates, batch.refusals),
        announced=_announced(rows, fates),
        arrived=_stretches(rows, left),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a batch, row by row; each fate is one of `Fate`."""

    fates: Fates

    def count(self, fate: Fate) -> int:
        """Count the rows that met this fate."""
        return int(np.count_nonzero(self.fates == fate))


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """What an unbound address sent: the newest value, how many samples, and the moments of the first and the last.

    `unit` is what its source tells; an address that its source announced and that has sent nothing has no samples.
    """

    source: int
    address: str
    kind: Kind
    value: float | None
    text: str | None
    samples: int
    since: Instant
    seen: Instant
    unit: str | None = None


class Writer:
    """Writes the batches of one spool over one connection, which it opens when it needs one.

    For one thread at a time.
    """

    def __init__(self, url: str, *, spool: str) -> None:
        self._url = url
        self._spool = spool
        self._connection: psycopg.Connection | None = None
        self._ask_first = False
        self._written = 0
        self._unsure: tuple[int, Outcome] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a later batch opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def written(self) -> int:
        """Tell up to which record the spool is written; raises Unavailable when the database is away."""
        try:
            self._connected()
        except psycopg.Error as error:
            raise self._unavailable(error) from error
        return self._written

    def write(self, planned: Plan, backlog: Sequence[Backlog] = ()) -> Outcome:
        """Write a batch in one transaction: measurements, rejects, gaps, accounts and how far the spool is written.

        Rows whose key is stored already are duplicates, or rejects of reason `conflict` if their value differs; rows
        that the database refuses are rejects of reason `refused_by_database`. Of two rows with one key in a batch the
        first counts. `backlog` is what waits behind the batch. Raises Unavailable when the database is away, or
        refuses for reasons that lie not in the rows: then nothing was written, or all of it was, and writing the same
        batch again is right in both cases.
        """
        try:
            return self._write(planned, backlog)
        except psycopg.Error as error:
            raise self._unavailable(error) from error

    def note(self, discoveries: Sequence[Discovery], *, most: int) -> None:
        """Note what unbound addresses sent, of at most so many addresses a source; raises Unavailable."""
        columns = (
            [one.source for one in discoveries],
            [storable(one.address) for one in discoveries],
            [one.kind.value for one in discoveries],
            [one.value for one in discoveries],
            [None if one.text is None else storable(one.text) for one in discoveries],
            [one.samples for one in discoveries],
            [one.since for one in discoveries],
            [one.seen for one in discoveries],
            [None if one.unit is None else storable(one.unit) for one in discoveries],
        )
        try:
            self._connected().execute(_NOTE_DISCOVERIES, [*columns, most])
        except psycopg.Error as error:
            raise self._unavailable(error) from error

    def fold_accounts(self) -> None:
        """Add the entries of batches to the accounts, and forget old arrivals; raises Unavailable."""
        try:
            self._connected().execute(_FOLD_ACCOUNTS)
            self._connected().execute(_FORGET_ARRIVALS)
        except psycopg.Error as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: psycopg.Error) -> Unavailable:
        self.close()
        return Unavailable(f"The database does not take measurements: {_told(error)}.")

    def _write(self, planned: Plan, backlog: Sequence[Backlog]) -> Outcome:
        batch, careful = planned.batch, False
        while True:
            connection = self._connected()
            if self._written >= batch.last:
                return self._settled_before(batch)
            try:
                connection.execute("BEGIN")
                if self._ask_first or careful:
                    outcome, clean = self._ask(connection, planned, backlog, careful=careful)
                else:
                    outcome, clean = self._trust(connection, planned, backlog), True
            except psycopg.Error as error:
                if connection.closed or _blames_the_server(error):
                    raise
                connection.rollback()
                if isinstance(error, errors.UniqueViolation):
                    self._ask_first = True
                elif careful:
                    raise
                careful = careful or not isinstance(error, errors.UniqueViolation)
            else:
                self._ask_first = not clean
                self._written = batch.last
                return outcome

    def _settled_before(self, batch: Batch) -> Outcome:
        """Give the outcome of a batch whose commit was not confirmed, and had been made."""
        if self._unsure is not None and self._unsure[0] == batch.last:
            return self._unsure[1]
        return Outcome(fates=np.full(len(batch.rows), Fate.DUPLICATE, np.int8))

    def _trust(self, connection: psycopg.Connection, planned: Plan, backlog: Sequence[Backlog]) -> Outcome:
        """Write a batch of which every row is new, and taken."""
        if len(planned.left):
            _copy(connection, planned.encoded, with_text=planned.with_text)
        _refuse(connection, planned.refusals)
        _note_gaps(connection, planned.batch.gaps)
        outcome = Outcome(fates=planned.fates)
        self._settle(connection, planned.batch, outcome, planned.entry, planned.announced, planned.arrived, backlog)
        return outcome

    def _ask(
        self, connection: psycopg.Connection, planned: Plan, backlog: Sequence[Backlog], *, careful: bool
    ) -> tuple[Outcome, bool]:
        """Write a batch without what is stored already and, if `careful`, without what the database refuses.

        Tells, too, whether nothing of it was stored already.
        """
        batch, rows, fates, left = planned.batch, planned.batch.rows, planned.fates.copy(), planned.left
        known = _known(connection, rows.take(left)) if len(left) else []
        for at, same in known:
            fates[left[at]] = Fate.DUPLICATE if same else Fate.CONFLICT
        left = left[fates[left] == Fate.STORED]
        refused: dict[int, str] = {}
        if careful:
            refused = _refused(connection, rows, left)
            fates[list(refused)] = Fate.REFUSED
            left = left[fates[left] == Fate.STORED]
        if len(left):
            encoded, with_text = encode(rows.take(left))
            _copy(connection, encoded, with_text=with_text)
        _refuse(connection, (*batch.refusals, *_refusals(batch, fates, refused)))
        _note_gaps(connection, batch.gaps)
        entry = account_of(rows, planned.order, fates, batch.refusals)
        outcome = Outcome(fates=fates)
        self._settle(connection, batch, outcome, entry, _announced(rows, fates), _stretches(rows, left), backlog)
        return outcome, not known

    def _settle(
        self,
        connection: psycopg.Connection,
        batch: Batch,
        outcome: Outcome,
        entry: AccountEntry,
        announced: str | None,
        arrived: Stretches,
        backlog: Sequence[Backlog],
    ) -> None:
        """End the batch and commit, in one round trip; the outcome is kept in case that the answer does not arrive."""
        self._unsure = (batch.last, outcome)
        with connection.pipeline():
            if len(arrived.streams):
                connection.execute(_ARRIVED, [arrived.streams, arrived.starts, arrived.untils])
            connection.execute(
                _SETTLE,
                [
                    *(self._spool, batch.first, batch.last),
                    *(entry.sources, entry.streams, entry.hours, entry.stored, entry.duplicates, entry.rejected),
                    [one.source for one in backlog],
                    [one.samples for one in backlog],
                    [one.oldest for one in backlog],
                    announced,
                ],
            )
            connection.execute("COMMIT")

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            connection = connect(self._url, name="fieldlab gateway")
            connection.adapters.register_dumper(np.ndarray, ArrayDumper)
            connection.execute(_DURABLE)
            row = connection.execute(_OPEN_SPOOL, [self._spool]).fetchone()
            self._written = row[0] if row else 0
            self._connection = connection
        return self._connection


def storable(text: str) -> str:
    """Make a text that PostgreSQL keeps: NUL characters are shown as ␀, half surrogate pairs by their number."""
    return text.replace("\0", "\u2400").encode(errors="backslashreplace").decode()


def _first_of_each_key(rows: Rows, order: NDArray[np.int64], fates: Fates) -> NDArray[np.int64]:
    """Give, in the order of the key, the positions of the rows to store: of rows with one key the first to arrive.

    The fates of the others are noted.
    """
    streams, times = rows.streams[order], rows.times[order]
    again = np.zeros(len(order), np.bool_)
    np.logical_and(streams[1:] == streams[:-1], times[1:] == times[:-1], out=again[1:])
    if not again.any():
        return order
    first = 0
    for at, position in enumerate(order.tolist()):
        if again[at]:
            fates[position] = Fate.DUPLICATE if _same(rows, first, position) else Fate.CONFLICT
        else:
            first = position
    return order[~again]


def _same(rows: Rows, one: int, other: int) -> bool:
    left, right = rows.value(one), rows.value(other)
    return rows.statuses[one] == rows.statuses[other] and (left == right or (left != left and right != right))  # noqa: PLR0124 - NaN


def _copy(connection: psycopg.Connection, encoded: bytes, *, with_text: bool) -> None:
    view = memoryview(encoded)
    with connection.cursor() as cursor, cursor.copy(_COPY if with_text else _COPY_NUMBERS) as copy:
        copy.write(HEADER)
        for start in range(0, len(view), _BLOCK):
            copy.write(view[start : start + _BLOCK])
        copy.write(TRAILER)


def _known(connection: psycopg.Connection, rows: Rows) -> list[tuple[int, bool]]:
    """Give the positions of rows whose key is stored, and whether with the same value, text and status.

    It asks for one day after the other, since a look-up that spans many chunks pays for each of them.
    """
    days = rows.times // _DAY
    known: list[tuple[int, bool]] = []
    for day in np.unique(days).tolist():
        of_day = np.flatnonzero(days == day)
        known += [(int(of_day[at]), same) for at, same in _known_within(connection, rows.take(of_day))]
    return known


def _known_within(connection: psycopg.Connection, rows: Rows) -> list[tuple[int, bool]]:
    positions = range(len(rows))
    numbers = rows.values if rows.numeric.all() else [rows.values[at] if rows.numeric[at] else None for at in positions]
    texts = [rows.texts.get(at) for at in positions] if rows.texts else None
    return connection.execute(_KNOWN, [rows.streams, rows.times, numbers, texts, rows.statuses], binary=True).fetchall()


def _refused(connection: psycopg.Connection, rows: Rows, positions: NDArray[np.int64]) -> dict[int, str]:
    """Try to copy the rows; give the positions of those that the database refuses and what it said of each.

    Nothing stays copied: what is stored is stored by the transaction itself, which is how live readers know it.

    An error that may be the server's own counts against a row only when other rows are taken.
    """
    refused = _bisect(connection, rows, positions)
    doubtful = [error for error in refused.values() if not _blames_a_row(error)]
    if doubtful and len(refused) == len(positions):
        raise doubtful[0]
    return {position: _told(error) for position, error in refused.items()}


def _bisect(connection: psycopg.Connection, rows: Rows, positions: NDArray[np.int64]) -> dict[int, psycopg.Error]:
    if not len(positions):
        return {}
    try:
        with connection.transaction():
            encoded, with_text = encode(rows.take(positions))
            _copy(connection, encoded, with_text=with_text)
            raise psycopg.Rollback
    except errors.UniqueViolation:
        raise
    except psycopg.Error as error:
        if connection.closed or _blames_the_server(error):
            raise
        if len(positions) == 1:
            return {int(positions[0]): error}
        middle = len(positions) // 2
        return _bisect(connection, rows, positions[:middle]) | _bisect(connection, rows, positions[middle:])
    return {}


def _refusals(batch: Batch, fates: Fates, refused: dict[int, str]) -> list[Refusal]:
    """Turn rows in conflict and rows that the database refuses into rejects, one for an address and a detail."""
    groups: dict[tuple[int, Reason, str], list[int]] = {}
    for at in np.flatnonzero(fates >= Fate.CONFLICT).tolist():
        if at in refused:
            reason, detail = Reason.REFUSED_BY_DATABASE, f"The database refuses this row: {refused[at]}."
        else:
            reason = Reason.CONFLICT
            detail = "Another value is stored for this stream and time, and stays; send one value for each time."
        groups.setdefault((int(batch.rows.places[at]), reason, detail), []).append(at)
    rows = batch.rows
    return [
        Refusal(
            source=rows.source(positions[0]),
            stream=int(rows.streams[positions[0]]),
            reject=rows.reject(positions, reason=reason, detail=detail, received_at=batch.received_at),
        )
        for (_, reason, detail), positions in groups.items()
    ]


def _announced(rows: Rows, fates: Fates) -> str | None:
    """Say for live readers which streams got rows, and from when to when, as JSON; null means any stream."""
    stored = fates == Fate.STORED
    if not stored.any():
        return None
    streams, times = np.unique(rows.streams[stored]).tolist(), rows.times[stored]
    return json.dumps(
        {
            "streams": streams if len(streams) <= _MOST_ANNOUNCED else None,
            "from": str(Instant(times.min())),
            "until": str(Instant(times.max() + 1)),
        },
        separators=(",", ":"),
    )


def _stretches(rows: Rows, positions: NDArray[np.int64]) -> Stretches:
    """Tell in which stretches of which streams rows lie, whose positions are given in the order of the key."""
    streams, times = rows.streams[positions], rows.times[positions]
    fresh = np.ones(len(positions), np.bool_)
    fresh[1:] = (streams[1:] != streams[:-1]) | (times[1:] - times[:-1] > _APART)
    starts = np.flatnonzero(fresh)
    lasts = np.append(starts[1:], len(positions))[: len(starts)] - 1
    return Stretches(streams=streams[starts], starts=times[starts], untils=times[lasts])


def _refuse(connection: psycopg.Connection, refusals: Sequence[Refusal]) -> None:
    if not refusals:
        return
    rejects = [one.reject for one in refusals]
    connection.execute(
        _REJECT,
        [
            [one.source for one in refusals],
            [one.stream for one in refusals],
            [reject.received_at for reject in rejects],
            [reject.reason.value for reject in rejects],
            [storable(reject.detail) for reject in rejects],
            [reject.raw for reject in rejects],
            [None if reject.address is None else storable(reject.address) for reject in rejects],
            [reject.time for reject in rejects],
            [reject.samples for reject in rejects],
        ],
    )


def _note_gaps(connection: psycopg.Connection, gaps: Sequence[StreamGap]) -> None:
    told = [gap for gap in gaps if gap.recovered is None]
    closed = [gap for gap in gaps if gap.recovered is not None]
    if told:
        connection.execute(_GAP, _bounds(told))
    if closed:
        connection.execute(_CLOSE_GAP, [*_bounds(closed), [gap.recovered for gap in closed]])


def _bounds(gaps: Sequence[StreamGap]) -> list[list[object]]:
    return [
        [gap.stream for gap in gaps],
        [gap.start for gap in gaps],
        [gap.until for gap in gaps],
        [gap.cause.value for gap in gaps],
    ]


_OF_A_ROW: Final = ("22", "23", "54", "P0")
"""Data exceptions, broken constraints, exceeded limits, and what a trigger raises (PostgreSQL, appendix A)."""

_OF_THE_SERVER: Final = ("08", "25", "28", "3D", "40", "53", "55", "57", "58")
"""Connection, transaction, authorisation, conflict, resources, operator intervention, system."""


def _blames_a_row(error: psycopg.Error) -> bool:
    return (error.sqlstate or "").startswith(_OF_A_ROW)


def _blames_the_server(error: psycopg.Error) -> bool:
    return error.sqlstate is None or error.sqlstate.startswith(_OF_THE_SERVER)


def _told(error: psycopg.Error) -> str:
    """Say what the server said, without the details in which it quotes values."""
    return error.diag.message_primary or str(error).strip().splitlines()[0]
