"""Writing batches of the gateway: one batch is one transaction, and writing it again changes nothing."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import Final, Self

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import errors

from fieldlab.errors import Unavailable
from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.storage.connect import connect
from fieldlab.storage.encode import HEADER, TRAILER, ArrayDumper, encode
from fieldlab.storage.rows import Rows

_log: Final = logging.getLogger(__name__)

Fates = NDArray[np.int8]

_BLOCK: Final = 64 * 1024

# Appends measurements whose rows all carry a number.
_COPY_NUMBERS: Final = "COPY fieldlab.measurement (stream_id, status, origin, time, value) FROM STDIN (FORMAT binary)"

# Appends measurements of which some carry a text, or nothing.
_COPY: Final = "COPY fieldlab.measurement (stream_id, status, origin, time, value, text) FROM STDIN (FORMAT binary)"

# Tells which rows are stored already, and whether with the same value.
_KNOWN: Final = 'SELECT "row", same FROM fieldlab.known_rows(%s, %s, %s::float8[], %s::text[], %s)'

# Keeps what could not become a measurement.
_REJECT: Final = """
    INSERT INTO fieldlab.reject (source_id, received_at, reason, detail, raw, address, time)
    SELECT * FROM unnest(%s::integer[], %s::timestamptz[], %s::text[], %s::text[], %s::bytea[], %s::text[],
                         %s::timestamptz[])
"""

# Keeps known holes of streams that are still there.
_GAP: Final = """
    INSERT INTO fieldlab.gap (stream_id, start, until, cause)
    SELECT hole.stream_id, hole.start, hole.until, hole.cause
    FROM unnest(%s::integer[], %s::timestamptz[], %s::timestamptz[], %s::text[])
        AS hole (stream_id, start, until, cause)
    JOIN fieldlab.stream AS s ON s.id = hole.stream_id
"""

# Makes a commit wait for the disk where a careless default would not.
_DURABLE: Final = """
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""


class Fate(IntEnum):
    """What became of a row."""

    STORED = 0
    DUPLICATE = 1
    CONFLICT = 2
    REFUSED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamGap:
    """A known hole in one stream: samples measured in `[start, until)` may be missing."""

    stream: int
    start: Instant
    until: Instant
    cause: Cause


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What one transaction writes. `rejects` are pairs of source id and reject."""

    rows: Rows
    received_at: Instant
    rejects: tuple[tuple[int, Reject], ...] = ()
    gaps: tuple[StreamGap, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a batch, row by row; each fate is one of `Fate`."""

    fates: Fates

    def count(self, fate: Fate) -> int:
        """Count the rows that met this fate."""
        return int(np.count_nonzero(self.fates == fate))


class _Refused(Exception):
    """A row that the database refuses for what it is."""


class Writer:
    """Writes batches over one connection, which it opens when it needs one. For one thread at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None
        self._ask_first = False

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

    def write(self, batch: Batch) -> Outcome:
        """Write a batch in one transaction: measurements, rejects and gaps.

        Rows whose key is stored already are duplicates, or rejects of reason `conflict` if their value differs; rows
        that the database refuses are rejects of reason `refused_by_database`. Of two rows with one key in a batch the
        first counts. Raises Unavailable when the database is away, or refuses for reasons that lie not in the rows:
        then nothing was written, or all of it was, and writing the batch again is right in both cases.
        """
        try:
            return self._write(batch)
        except psycopg.Error as error:
            self.close()
            raise Unavailable(f"The database does not take measurements: {_told(error)}") from error

    def _write(self, batch: Batch) -> Outcome:
        careful = False
        while True:
            try:
                outcome, met_known = self._attempt(batch, ask=self._ask_first, careful=careful)
            except errors.UniqueViolation:
                self._ask_first = True
            except psycopg.Error as error:
                if careful or not _blames_a_row(error):
                    raise
                careful = True
            else:
                self._ask_first = met_known
                return outcome

    def _attempt(self, batch: Batch, *, ask: bool, careful: bool) -> tuple[Outcome, bool]:
        """Write a batch once; `ask` takes out what is stored already, `careful` what the database refuses."""
        connection = self._connected()
        rows = batch.rows
        fates = np.zeros(len(rows), np.int8)
        order = _first_of_each_key(rows, fates)
        refusals: dict[int, str] = {}
        met_known = False
        with connection.transaction():
            if ask and len(order):
                known = _known(connection, rows.take(order))
                met_known = bool(known)
                for at, same in known:
                    fates[order[at]] = Fate.DUPLICATE if same else Fate.CONFLICT
                order = order[fates[order] == Fate.STORED]
            if careful:
                refusals = _bisect(connection, rows, order)
                fates[list(refusals)] = Fate.REFUSED
            elif len(order):
                _copy(connection, rows.take(order))
            _reject(connection, (*batch.rejects, *_new_rejects(batch, fates, refusals)))
            _note_gaps(connection, batch.gaps)
        return Outcome(fates=fates), met_known

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            connection = connect(self._url, name="fieldlab gateway")
            connection.adapters.register_dumper(np.ndarray, ArrayDumper)
            connection.execute(_DURABLE)
            self._connection = connection
        return self._connection


def _first_of_each_key(rows: Rows, fates: Fates) -> NDArray[np.int64]:
    """Give the positions of the rows to store in the order of their key, which the index takes fastest.

    Of rows with one key the first to arrive stays; the others' fates are noted.
    """
    order = np.lexsort((rows.times, rows.streams))
    streams, times = rows.streams[order], rows.times[order]
    again = np.empty(len(order), np.bool_)
    again[:1] = False
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


def _copy(connection: psycopg.Connection, rows: Rows) -> None:
    encoded, with_text = encode(rows)
    view = memoryview(encoded)
    with connection.cursor() as cursor, cursor.copy(_COPY if with_text else _COPY_NUMBERS) as copy:
        copy.write(HEADER)
        for start in range(0, len(view), _BLOCK):
            copy.write(view[start : start + _BLOCK])
        copy.write(TRAILER)


def _known(connection: psycopg.Connection, rows: Rows) -> list[tuple[int, bool]]:
    """Give the positions of rows whose key is stored, and whether with the same value, text and status."""
    positions = range(len(rows))
    numbers = rows.values if rows.numeric.all() else [rows.values[at] if rows.numeric[at] else None for at in positions]
    texts = [rows.texts.get(at) for at in positions] if rows.texts else None
    return connection.execute(_KNOWN, [rows.streams, rows.times, numbers, texts, rows.statuses], binary=True).fetchall()


def _bisect(connection: psycopg.Connection, rows: Rows, positions: NDArray[np.int64]) -> dict[int, str]:
    """Copy all rows but those that the database refuses; give their positions and what it said of each."""
    if not len(positions):
        return {}
    try:
        with connection.transaction():
            _copy(connection, rows.take(positions))
    except errors.UniqueViolation:
        raise
    except psycopg.Error as error:
        if not _blames_a_row(error):
            raise
        if len(positions) == 1:
            return {int(positions[0]): _told(error)}
        middle = len(positions) // 2
        return _bisect(connection, rows, positions[:middle]) | _bisect(connection, rows, positions[middle:])
    return {}


def _new_rejects(batch: Batch, fates: Fates, refusals: dict[int, str]) -> list[tuple[int, Reject]]:
    rejects = []
    for at in np.flatnonzero(fates >= Fate.CONFLICT).tolist():
        if at in refusals:
            reason, detail = Reason.REFUSED_BY_DATABASE, f"The database refuses this row: {refusals[at]}."
        else:
            reason = Reason.CONFLICT
            detail = "Another value is stored for this stream and time, and stays; send one value for each time."
        rejects.append(
            (
                batch.rows.source(at),
                batch.rows.reject(at, reason=reason, detail=detail, received_at=batch.received_at),
            )
        )
    return rejects


def _reject(connection: psycopg.Connection, rejects: Sequence[tuple[int, Reject]]) -> None:
    if not rejects:
        return
    connection.execute(
        _REJECT,
        [
            [source for source, _ in rejects],
            [reject.received_at for _, reject in rejects],
            [reject.reason.value for _, reject in rejects],
            [_storable(reject.detail) for _, reject in rejects],
            [reject.raw for _, reject in rejects],
            [None if reject.address is None else _storable(reject.address) for _, reject in rejects],
            [reject.time for _, reject in rejects],
        ],
    )


def _note_gaps(connection: psycopg.Connection, gaps: Sequence[StreamGap]) -> None:
    if not gaps:
        return
    connection.execute(
        _GAP,
        [
            [gap.stream for gap in gaps],
            [gap.start for gap in gaps],
            [gap.until for gap in gaps],
            [gap.cause.value for gap in gaps],
        ],
    )


def _storable(text: str) -> str:
    """Make a text that PostgreSQL keeps: NUL characters are shown as ␀, half surrogate pairs by their number."""
    return text.replace("\0", "\u2400").encode(errors="backslashreplace").decode()


_BLAMING_CLASSES: Final = ("22", "23", "54", "P0")
"""Data exceptions, broken constraints, exceeded limits, and what a trigger raises (PostgreSQL, appendix A)."""


def _blames_a_row(error: psycopg.Error) -> bool:
    return (error.sqlstate or "").startswith(_BLAMING_CLASSES)


def _told(error: psycopg.Error) -> str:
    """Say what the server said, without the details in which it quotes values."""
    return error.diag.message_primary or str(error).strip().splitlines()[0]
