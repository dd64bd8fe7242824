"""A durable log on the local disk: what it has taken survives a crash, and stays until the database has it.

SQLite in WAL mode with `synchronous=FULL`: a commit that returned is on the disk. Records are numbered from the clock,
so that a log restored from an old copy never reuses a number that the database has seen.
"""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Final, Self

from fieldlab.errors import InvalidSettings, Unavailable
from fieldlab.readings.instant import Instant

_FILE: Final = "spool.sqlite"
_LOCK: Final = "lock"
_BALLAST: Final = "ballast"
_BALLAST_SIZE: Final = 4 * 1024 * 1024
"""Bytes set aside, so that what is written already can be taken off the log on a full disk."""

_NOBODY: Final[Mapping[int, Instant]] = MappingProxyType({})
_SETTINGS: Final = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 2000",
    "PRAGMA journal_size_limit = 16777216",
)
# What is in the log, what is held, until when each source was heard, and notes under keys.
_TABLES: Final = """
    CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, source INTEGER NOT NULL, received_at INTEGER NOT NULL,
                                       size INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS held (id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, source INTEGER NOT NULL,
                                     address TEXT NOT NULL, received_at INTEGER NOT NULL, size INTEGER NOT NULL,
                                     body BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS held_address ON held (source, address);
    CREATE TABLE IF NOT EXISTS heard (source INTEGER PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS note (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

# Puts a record at the end.
_APPEND: Final = "INSERT INTO record (id, source, received_at, size, body) VALUES (?, ?, ?, ?, ?)"

# Gives the records behind a number, in order.
_READ: Final = "SELECT id, source, received_at, size, body FROM record WHERE id > ? ORDER BY id"

# Counts the bytes that are in use.
_USED: Final = """
    SELECT page_size * (page_count - freelist_count)
    FROM pragma_page_size, pragma_page_count, pragma_freelist_count
"""

# Takes off the records up to a number.
_TRIM: Final = "DELETE FROM record WHERE id <= ?"

# Finds the newest number that was ever given.
_LAST: Final = """
    SELECT max(id) FROM (SELECT max(id) AS id FROM record UNION ALL SELECT max(batch) FROM held
                         UNION ALL SELECT CAST(value AS INTEGER) FROM note WHERE key = 'last')
"""

# Notes until when a source was heard.
_HEAR: Final = "INSERT INTO heard VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET at = excluded.at"

# Tells until when each source was heard.
_HEARD: Final = "SELECT source, at FROM heard"

# Keeps a text under a key.
_KEEP: Final = "INSERT INTO note VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"

# Gives what is kept under a key.
_NOTE: Final = "SELECT value FROM note WHERE key = ?"

# Counts what waits, by source.
_WAITING: Final = """
    SELECT source, sum(size) FROM (SELECT source, size FROM record UNION ALL SELECT source, size FROM held)
    GROUP BY source
"""

# Tells since when the oldest waits, by source.
_OLDEST: Final = "SELECT source, min(received_at) FROM record GROUP BY source"

# Counts what does not wait once it is known how far the database has the log.
_SETTLED: Final = """
    SELECT source, sum(size) FROM (SELECT source, size FROM record WHERE id <= ?
                                   UNION ALL SELECT source, size FROM held
                                             WHERE batch > ? AND batch IN (SELECT id FROM record))
    GROUP BY source
"""

# Holds samples of one address.
_HOLD: Final = "INSERT INTO held (batch, source, address, received_at, size, body) VALUES (?, ?, ?, ?, ?, ?)"

# Forgets what batches behind a number held whose records are there: they will hold it again.
_FORGET: Final = "DELETE FROM held WHERE batch > ? AND batch IN (SELECT id FROM record)"

# Counts what is held, by source and address.
_HELD: Final = """
    SELECT source, address, sum(size), sum(length(body)), min(received_at) FROM held GROUP BY source, address
"""

# Gives the oldest that is held at an address.
_HELD_AT: Final = """
    SELECT id, batch, source, address, received_at, size, body FROM held
    WHERE source = ? AND address = ? AND batch <= ? ORDER BY id LIMIT ?
"""

# Takes one piece off what is held.
_LET_GO: Final = "DELETE FROM held WHERE id = ?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One record in the log: `size` counts its samples and rejects, `body` are its bytes. `id` is 0 before it is in."""

    source: int
    received_at: Instant
    size: int
    body: bytes
    id: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """Samples at one address that no stream is bound to, taken out of the batch that ended with record `batch`."""

    batch: int
    source: int
    address: str
    received_at: Instant
    size: int
    body: bytes
    id: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Stock:
    """How many samples and rejects there are, how many bytes they take, and since when the oldest is there."""

    size: int
    bytes: int
    oldest: Instant


class Spool:
    """The log of one gateway, in a directory of its own; for one thread at a time. Opened by entering it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._connection: sqlite3.Connection | None = None
        self._lock: IO[str] | None = None
        self._last = 0

    def __enter__(self) -> Self:
        """Open the log; raises InvalidSettings when the directory is in use, cannot be written, or holds no log."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._lock = self._locked()
            self._connection = sqlite3.connect(
                self._directory / _FILE, isolation_level=None, check_same_thread=False, timeout=0
            )
            for statement in _SETTINGS:
                self._connection.execute(statement)
            self._connection.executescript(_TABLES)
            self._set_aside()
        except (OSError, sqlite3.Error) as error:
            self.__exit__(None, None, None)
            raise InvalidSettings(
                f"FIELDLAB_GATEWAY_DIRECTORY: the spool in {self._directory} cannot be used: {error}. "
                "Give a directory on a local disk that this user may write, with room for the spool."
            ) from None
        except InvalidSettings:
            self.__exit__(None, None, None)
            raise
        self._last = self._connection.execute(_LAST).fetchone()[0] or 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def last(self) -> int:
        """Give the number of the newest record that ever was in the log; 0 before the first."""
        return self._last

    def name(self) -> str:
        """Give the name of this log, which it got when it was made; no other log has it."""
        found = self.note("name")
        if found is None:
            found = secrets.token_hex(12)
            self.keep("name", found)
        return found

    def note(self, key: str) -> str | None:
        """Give what was kept under a key."""
        row = self._open.execute(_NOTE, [key]).fetchone()
        return None if row is None else row[0]

    def keep(self, key: str, value: str) -> None:
        """Keep a text under a key."""
        with self._transaction() as connection:
            connection.execute(_KEEP, [key, value])

    def heard(self) -> dict[int, Instant]:
        """Tell until when each source was heard, as it stood with the entries that were put in."""
        return {source: Instant(at) for source, at in self._open.execute(_HEARD)}

    def append(self, entries: Sequence[Entry], *, now: Instant, heard: Mapping[int, Instant] = _NOBODY) -> list[int]:
        """Put entries at the end, all or none, and give their numbers; when it returns, they survive a crash.

        With them it notes until when sources were `heard`. Raises Unavailable when the disk does not take them.
        """
        with self._transaction() as connection:
            ids = self._put(connection, entries, now)
            connection.executemany(_HEAR, [(source, int(at)) for source, at in heard.items()])
        self._last = max([self._last, *ids])
        return ids

    def read(self, *, after: int, size: int, most_bytes: int) -> list[Entry]:
        """Give the entries behind a number, up to so many samples or bytes, but one at least if there is any."""
        entries: list[Entry] = []
        samples = total = 0
        rows = self._open.execute(_READ, [after])
        for id_, source, received_at, count, body in rows:
            samples += count
            total += len(body)
            if entries and (samples > size or total > most_bytes):
                break
            entries.append(Entry(id=id_, source=source, received_at=Instant(received_at), size=count, body=body))
        rows.close()
        return entries

    def trim(self, *, until: int) -> None:
        """Take off the entries up to a number: the database has them. It gives room even on a full disk."""
        for last_try in (False, True):
            try:
                with self._transaction() as connection:
                    connection.execute(_TRIM, [until])
                    connection.execute(_KEEP, ["last", str(self._last)])
                break
            except Unavailable:
                if last_try:
                    raise
                (self._directory / _BALLAST).unlink(missing_ok=True)
        self._set_aside()

    def catch_up(self, *, written: int) -> dict[int, int]:
        """Take off the entries that the database has, and what batches behind them held; number on from there.

        A database that was restored may have less than was trimmed; what was held with that stays.

        Gives, by source, how many samples and rejects were taken off.
        """
        with self._transaction() as connection:
            gone = connection.execute(_SETTLED, [written, written]).fetchall()
            connection.execute(_TRIM, [written])
            connection.execute(_FORGET, [written])
        self._last = max(self._last, written)
        return dict(gone)

    def waiting(self) -> dict[int, int]:
        """Tell how many samples and rejects wait, by source, held ones included."""
        return dict(self._open.execute(_WAITING).fetchall())

    def oldest(self) -> dict[int, Instant]:
        """Tell since when the oldest waits, by source, held ones aside."""
        return {source: Instant(at) for source, at in self._open.execute(_OLDEST)}

    def bytes(self) -> int:
        """Give the bytes that entries take on the disk."""
        return int(self._open.execute(_USED).fetchone()[0])

    def hold(self, held: Sequence[Held]) -> None:
        """Keep samples that no stream is bound to, all or none.

        Raises Unavailable when the disk does not take them.
        """
        with self._transaction() as connection:
            connection.executemany(
                _HOLD, [(h.batch, h.source, h.address, int(h.received_at), h.size, h.body) for h in held]
            )

    def held(self) -> dict[tuple[int, str], Stock]:
        """Tell what is held, by source and address."""
        return {
            (source, address): Stock(size=size, bytes=length, oldest=Instant(oldest))
            for source, address, size, length, oldest in self._open.execute(_HELD)
        }

    def held_at(self, *, source: int, address: str, written: int, most: int) -> list[Held]:
        """Give the oldest that batches up to `written` held at an address, at most so many pieces."""
        return [
            Held(id=i, batch=b, source=s, address=a, received_at=Instant(r), size=n, body=body)
            for i, b, s, a, r, n, body in self._open.execute(_HELD_AT, [source, address, written, most])
        ]

    def return_held(self, ids: Sequence[int], entries: Sequence[Entry], *, now: Instant) -> list[int]:
        """Put what was held back at the end of the log, as these entries, in one step; give their numbers."""
        with self._transaction() as connection:
            connection.executemany(_LET_GO, [(id_,) for id_ in ids])
            numbers = self._put(connection, entries, now)
        self._last = max([self._last, *numbers])
        return numbers

    def _put(self, connection: sqlite3.Connection, entries: Sequence[Entry], now: Instant) -> list[int]:
        first = max(self._last + 1, int(now))
        ids = list(range(first, first + len(entries)))
        connection.executemany(
            _APPEND, [(i, e.source, int(e.received_at), e.size, e.body) for i, e in zip(ids, entries, strict=True)]
        )
        return ids

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the spool is not open")
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._open
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise Unavailable(f"The spool in {self._directory} cannot be written: {error}.") from error

    def _locked(self) -> IO[str]:
        lock = (self._directory / _LOCK).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise InvalidSettings(
                f"FIELDLAB_GATEWAY_DIRECTORY: another gateway works in {self._directory}; give each its own directory."
            ) from None
        return lock

    def _set_aside(self) -> None:
        """Reserve the ballast if it is not there, and there is room for it."""
        path = self._directory / _BALLAST
        if path.exists():
            return
        try:
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, _BALLAST_SIZE)
        except OSError:
            path.unlink(missing_ok=True)
