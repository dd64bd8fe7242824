"""COPY of a batch's rows, what of them is stored already, and which of them the database refuses."""

from typing import Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import errors

from fieldlab.readings.instant import MINUTE
from fieldlab.storage.encode import HEADER, TRAILER, encode
from fieldlab.storage.rows import Rows

_DAY: Final = 24 * 60 * MINUTE
_BLOCK: Final = 64 * 1024

# Appends measurements whose rows all carry a number.
_COPY_NUMBERS: Final = "COPY fieldlab.measurement (stream_id, status, origin, time, value) FROM STDIN (FORMAT binary)"

# Appends measurements of which some carry a text, or nothing.
_COPY: Final = "COPY fieldlab.measurement (stream_id, status, origin, time, value, text) FROM STDIN (FORMAT binary)"

# Tells which rows are stored already, and whether with the same value.
_KNOWN: Final = 'SELECT "row", same FROM fieldlab.known_rows(%s, %s, %s::float8[], %s::text[], %s)'

_OF_A_ROW: Final = ("22", "23", "54", "P0")
"""Data exceptions, broken constraints, exceeded limits, and what a trigger raises (PostgreSQL, appendix A)."""

_OF_THE_SERVER: Final = ("08", "25", "28", "3D", "40", "53", "55", "57", "58")
"""Connection, transaction, authorisation, conflict, resources, operator intervention, system."""


def copy_rows(connection: psycopg.Connection, encoded: bytes, *, with_text: bool) -> None:
    """Append rows as `encode` gives them; raises the psycopg error of the first that the database refuses."""
    view = memoryview(encoded)
    with connection.cursor() as cursor, cursor.copy(_COPY if with_text else _COPY_NUMBERS) as copy:
        copy.write(HEADER)
        for start in range(0, len(view), _BLOCK):
            copy.write(view[start : start + _BLOCK])
        copy.write(TRAILER)


def known_rows(connection: psycopg.Connection, rows: Rows) -> list[tuple[int, bool]]:
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


def refused_by_database(connection: psycopg.Connection, rows: Rows, positions: NDArray[np.int64]) -> dict[int, str]:
    """Try to copy the rows; give the positions of those that the database refuses and what it said of each.

    Nothing stays copied: what is stored is stored by the transaction itself, which is how live readers know it.

    An error that may be the server's own counts against a row only when other rows are taken.
    """
    refused = _bisect(connection, rows, positions)
    doubtful = [error for error in refused.values() if not _blames_a_row(error)]
    if doubtful and len(refused) == len(positions):
        raise doubtful[0]
    return {position: told(error) for position, error in refused.items()}


def _bisect(connection: psycopg.Connection, rows: Rows, positions: NDArray[np.int64]) -> dict[int, psycopg.Error]:
    if not len(positions):
        return {}
    try:
        with connection.transaction():
            encoded, with_text = encode(rows.take(positions))
            copy_rows(connection, encoded, with_text=with_text)
            raise psycopg.Rollback
    except errors.UniqueViolation:
        raise
    except psycopg.Error as error:
        if connection.closed or blames_the_server(error):
            raise
        if len(positions) == 1:
            return {int(positions[0]): error}
        middle = len(positions) // 2
        return _bisect(connection, rows, positions[:middle]) | _bisect(connection, rows, positions[middle:])
    return {}


def _blames_a_row(error: psycopg.Error) -> bool:
    return (error.sqlstate or "").startswith(_OF_A_ROW)


def blames_the_server(error: psycopg.Error) -> bool:
    """Tell whether an error lies in the server or the connection, not in what was to be written."""
    return error.sqlstate is None or error.sqlstate.startswith(_OF_THE_SERVER)


def told(error: psycopg.Error) -> str:
    """Say what the server said, without the details in which it quotes values."""
    return error.diag.message_primary or str(error).strip().splitlines()[0]
