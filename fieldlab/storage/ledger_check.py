"""Looking for changes in the access ledger: every hash computed anew, and held against checkpoints kept elsewhere.

Run by whoever administers the database. Whoever can forge the database can forge all that is in it; what it cannot
forge is a checkpoint that somebody else has kept.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, TextClause, text

from fieldlab.ownership.access import Checkpoint
from fieldlab.ownership.merkle import EMPTY, Tree, leaf_hash

_LEAVES: Final = text(
    """
    SELECT n.index AS place, n.hash, l.text, c.at > now() - interval '1 year' AS young
    FROM fieldlab.ledger_node AS n
    LEFT JOIN fieldlab.ledger_leaf AS l ON l.index = n.index
    LEFT JOIN LATERAL (SELECT k.at FROM fieldlab.ledger_checkpoint AS k WHERE k.size > n.index
                       ORDER BY k.size LIMIT 1) AS c ON l.index IS NULL
    WHERE n.level = 0 ORDER BY n.index
    """
)
"""The entries in their order, with the hashes that are stored."""

_NODES: Final = text(
    "SELECT level, index AS place, hash FROM fieldlab.ledger_node ORDER BY (index + 1) << level::integer, level"
)
"""Every stored hash, in the order in which a growing tree completes it."""

_CHECKPOINTS: Final = text("SELECT size, root FROM fieldlab.ledger_checkpoint ORDER BY size")
"""The checkpoints that the database has."""

_UNTOLD: Final = text(
    """
    SELECT a.id::text FROM fieldlab.access AS a
    WHERE NOT EXISTS (SELECT FROM fieldlab.ledger_waiting AS w WHERE w.access_id = a.id) AND NOT EXISTS (
        SELECT FROM fieldlab.ledger_leaf AS l, LATERAL (SELECT l.text::jsonb AS said) AS t
        WHERE l.access_id = a.id AND l.audience_id = a.participant_id AND t.said ->> 'kind' = a.kind
          AND t.said ->> 'principal' = a.principal AND t.said -> 'question' = a.question
          AND t.said ->> 'at' = fieldlab.rfc3339(a.at) AND t.said ->> 'purpose' IS NOT DISTINCT FROM a.purpose)
    UNION ALL
    SELECT l.access_id::text FROM fieldlab.ledger_leaf AS l
    WHERE l.access_id IS NOT NULL AND NOT EXISTS (SELECT FROM fieldlab.access AS a WHERE a.id = l.access_id)
    LIMIT 100
    """
)
"""Requests of which the log and the table of accesses do not tell the same."""

_WAITING: Final = text("SELECT count(*) FROM fieldlab.ledger_waiting")
"""How many entries are not sealed yet."""

_UNDONE: Final = text(
    """
    WITH settled AS (
        SELECT min(number) AS first, max(number) AS last FROM fieldlab.access
        WHERE at > now() - interval '1 year' AND at < now() - interval '1 minute')
    SELECT coalesce(last - first + 1 - (SELECT count(*) FROM fieldlab.access WHERE number BETWEEN first AND last), 0)
    FROM settled
    """
)
"""How many accesses of the last year were noted and then undone with their transaction."""

_FORGET: Final = text(
    """
    WITH old AS (
        DELETE FROM fieldlab.ledger_leaf WHERE at < now() - make_interval(years => :years) RETURNING access_id),
    gone AS (
        DELETE FROM fieldlab.access AS a USING (SELECT DISTINCT access_id FROM old) AS o
        WHERE a.id = o.access_id AND NOT EXISTS (
            SELECT FROM fieldlab.ledger_leaf AS l
            WHERE l.access_id = a.id AND l.at >= now() - make_interval(years => :years))
        RETURNING a.id)
    SELECT count(*) FROM old
    """
)
"""Forgets the texts of leaves, and requests of which no leaf is left."""

_SAY: Final = text(
    """
    SELECT fieldlab.note_notice(NULL, NULL, jsonb_build_object(
        'kind', 'forgotten', 'entries', CAST(:entries AS bigint),
        'before', fieldlab.rfc3339(now() - make_interval(years => :years))))
    """
)
"""Says so in the ledger, for everybody to read."""

_MOST: Final = 100
_BATCH: Final = 5_000


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerReport:
    """What was found: nothing was changed if `faults` is empty. Of `forgotten` entries only the hash is left.

    `undone` accesses were noted, and taken back before their commit: by a fault, or by a service that hides what it
    reads. A database that crashed leaves out up to 32 numbers, too.
    """

    checkpoint: Checkpoint
    forgotten: int
    waiting: int
    undone: int
    faults: tuple[str, ...]


def verify(connection: Connection, kept: Sequence[Checkpoint] = ()) -> LedgerReport:
    """Compute the ledger anew and hold it against what is stored, and against checkpoints kept elsewhere."""
    faults: list[str] = []
    made = {row.size: bytes(row.root) for row in connection.execute(_CHECKPOINTS)}
    wanted = {*made, *(one.size for one in kept)}
    tree, roots = Tree(), {0: EMPTY}
    forgotten = 0
    with _streamed(connection, _LEAVES) as leaves, _streamed(connection, _NODES) as nodes:
        for row in leaves:
            if row.place != tree.size:
                faults.append(f"Entry {tree.size} is missing; the next one that is there is {row.place}.")
                break
            if row.text is None and row.young is not False:
                faults.append(f"Entry {row.place} is gone; it is younger than a year.")
            forgotten += row.text is None
            leaf = bytes(row.hash) if row.text is None else leaf_hash(row.text.encode())
            if leaf != bytes(row.hash):
                faults.append(f"Entry {row.place} was edited: its text does not give its hash.")
            for node, hash_ in tree.add(leaf):
                stored = next(iter(nodes), None)
                fits = stored is not None and (stored.level, stored.place, bytes(stored.hash)) == (*node, hash_)
                if not fits and len(faults) < _MOST:
                    faults.append(f"The tree does not fit its entries at level {node.level}, place {node.place}.")
            if tree.size in wanted:
                roots[tree.size] = tree.root()
    faults += [
        f"The database's own checkpoint of {size} entries does not fit them: they were edited, removed or re-ordered."
        for size, root in made.items()
        if roots.get(size, b"") != root
    ]
    if tree.size != max(made, default=0):
        faults.append(f"There are {tree.size} entries, and the newest checkpoint is of {max(made, default=0)}.")
    faults += [fault for one in kept if (fault := _against(one, roots, tree.size))]
    shown = Counter(one.size for one in {*kept})
    faults += [
        f"Different ledgers were shown to different readers: your checkpoints of {size} entries are not the same."
        for size, ways in shown.items()
        if ways > 1
    ]
    faults += [f"The table of accesses and the log differ on request {id_}." for id_ in connection.scalars(_UNTOLD)]
    return LedgerReport(
        checkpoint=Checkpoint(size=tree.size, root=tree.root().hex()),
        forgotten=forgotten,
        waiting=int(connection.scalar(_WAITING) or 0),
        undone=int(connection.scalar(_UNDONE) or 0),
        faults=tuple(faults[:_MOST]),
    )


def forget(connection: Connection, *, years: int) -> int:
    """Forget the texts of entries older than so many years, at least one; gives how many. Their hashes stay."""
    forgotten = int(connection.scalar(_FORGET, {"years": years}) or 0)
    if forgotten:
        connection.execute(_SAY, {"entries": forgotten, "years": years})
    return forgotten


def _against(kept: Checkpoint, roots: dict[int, bytes], size: int) -> str | None:
    if kept.size > size:
        return f"The ledger was cut short: your checkpoint is of {kept.size} entries, and there are {size}."
    if roots.get(kept.size, b"").hex() != kept.root:
        return (
            f"The first {kept.size} entries are not those of your checkpoint: they were edited, removed or re-ordered."
        )
    return None


def _streamed(connection: Connection, statement: TextClause) -> CursorResult[Any]:
    return connection.execute(statement, execution_options={"yield_per": _BATCH})
