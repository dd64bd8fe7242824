"""Writing batches of the gateway: one batch is one transaction, and writing it again changes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import numpy as np
import psycopg
from psycopg import errors

from fieldlab.assets.asset import Kind
from fieldlab.assets.description import Description
from fieldlab.errors import Unavailable
from fieldlab.readings.instant import Instant
from fieldlab.storage.account import AccountEntry, Fate, account_of
from fieldlab.storage.arrival import Stretches, announcement, stretches
from fieldlab.storage.batch import Backlog, Batch, Outcome, Plan, refusals_of
from fieldlab.storage.connect import connect
from fieldlab.storage.copy import blames_the_server, copy_rows, known_rows, refused_by_database, told
from fieldlab.storage.encode import ArrayDumper, encode
from fieldlab.storage.mishaps import note_gaps, note_rejects, storable

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
                                     %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[], %s::text[],
                                     %s::text[], %s::float8[], %s::float8[], %s)
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
class Discovery:
    """What an unbound address sent: the newest value, how many samples, and the moments of the first and the last.

    `told` is what its source says of it; an address that its source announced and that has sent nothing has no samples.
    """

    source: int
    address: str
    kind: Kind
    value: float | None
    text: str | None
    samples: int
    since: Instant
    seen: Instant
    told: Description | None = None


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
            *_words(one.told for one in discoveries),
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
        return Unavailable(f"The database does not take measurements: {told(error)}.")

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
                if connection.closed or blames_the_server(error):
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
            copy_rows(connection, planned.encoded, with_text=planned.with_text)
        note_rejects(connection, planned.refusals)
        note_gaps(connection, planned.batch.gaps)
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
        known = known_rows(connection, rows.take(left)) if len(left) else []
        for at, same in known:
            fates[left[at]] = Fate.DUPLICATE if same else Fate.CONFLICT
        left = left[fates[left] == Fate.STORED]
        refused: dict[int, str] = {}
        if careful:
            refused = refused_by_database(connection, rows, left)
            fates[list(refused)] = Fate.REFUSED
            left = left[fates[left] == Fate.STORED]
        if len(left):
            encoded, with_text = encode(rows.take(left))
            copy_rows(connection, encoded, with_text=with_text)
        note_rejects(connection, (*batch.refusals, *refusals_of(batch, fates, refused)))
        note_gaps(connection, batch.gaps)
        entry = account_of(rows, planned.order, fates, batch.refusals)
        outcome = Outcome(fates=fates)
        self._settle(connection, batch, outcome, entry, announcement(fates), stretches(rows, left), backlog)
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


def _words(told: Iterable[Description | None]) -> list[list[object]]:
    """Give what sources say as columns: unit, quantity, text, semantic id, low, high."""
    rows = [
        () if one is None else (one.unit, one.quantity, one.text, one.semantic_id, one.low, one.high) for one in told
    ]
    kept = [[storable(word) if isinstance(word, str) else word for word in row or (None,) * 6] for row in rows]
    return [[row[at] for row in kept] for at in range(6)]
