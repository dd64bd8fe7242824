"""The access ledger: writing an entry with a decision, reading those that concern one, and proofs about them.

An entry is written in the transaction of the decision and is sealed some time after its commit, see
`fieldlab.storage.sealing`: noting takes no lock that another reader would wait for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.errors import InvalidInput
from fieldlab.ownership import merkle
from fieldlab.ownership.access import NOTHING_SEALED, Access, AccessKind, Checkpoint, Departure, Leaf, Receipt, Whose
from fieldlab.ownership.merkle import Cover, Node
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage.array import array
from fieldlab.storage.columns import fetch
from fieldlab.storage.transaction import Bound, reading

NOTE: Final[LiteralString] = """
    SELECT visible.note_access(
        %(id)s, %(kind)s, %(question)s::jsonb, %(purpose)s, %(streams)s::integer[], %(tenures)s::bigint[],
        %(starts)s::timestamptz[], %(untils)s::timestamptz[], %(under)s::uuid[], %(rows)s::bigint[])
"""
"""Writes the entry of a request; see `noting` for its parameters. It gives nothing, so it may travel in a pipeline."""

_LIST: Final = text(
    """
    SELECT index AS place, sealed_at, by_reader, text, hash
    FROM visible.accesses(:before, :limit, CAST(:whose AS text))
    """
)
"""Sealed entries that concern the reader, newest first."""

_CHECKPOINT: Final = text("SELECT size, root FROM visible.checkpoint()")
"""The newest checkpoint."""

_NODES: Final = text("SELECT level, index AS place, hash FROM visible.ledger_nodes(:levels, :indexes)")
"""Hashes of whole subtrees."""

_RECEIPT: Final = text("SELECT * FROM visible.receipt(:agreement, :limit)")
"""What had left under an agreement of the reader's, newest first."""

_ALL: Final = 2**63 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """Hashes that prove something about the tree of a checkpoint, as hexadecimal digits, and that checkpoint.

    Of a leaf: that it is in it (`leaf` is its hash). Of an `earlier` checkpoint: that its leaves are the first of it.
    """

    checkpoint: Checkpoint
    hashes: tuple[str, ...]
    leaf: str | None = None
    earlier: Checkpoint | None = None


def noting(access: Access) -> dict[str, Any]:
    """Give the parameters of `NOTE` for an entry."""
    segments = access.segments
    under = [segment.basis.agreement for segment in segments]
    return {
        "id": access.id,
        "kind": access.kind.value,
        "question": json.dumps(access.question, default=str),
        "purpose": access.purpose,
        "streams": array(segment.stream for segment in segments),
        "tenures": array(segment.tenure for segment in segments),
        "starts": array(segment.interval.start for segment in segments),
        "untils": array(segment.interval.until for segment in segments),
        "under": array(one or "NULL" for one in under) if any(under) else None,
        "rows": None if access.rows is None else array(access.rows),
    }


async def note(bound: Bound, access: Access) -> None:
    """Write the entry of a request within the bound transaction that decided it, which must not be read-only.

    The answer may begin when that transaction is committed. An entry without rows is ended with `sealing.end`.
    """
    await fetch(bound, NOTE, noting(access))


async def listed(
    scope: ReadScope, engine: AsyncEngine, *, whose: Whose | None = None, before: int | None = None, limit: int = 100
) -> tuple[Leaf, ...]:
    """List the sealed entries that concern the reader, newest first, from before an index on.

    These are its own accesses, and every access to data that it owned at the time of measurement.
    """
    asked = {"before": _ALL if before is None else before, "limit": limit, "whose": whose}
    async with reading(scope, engine) as bound:
        return tuple(
            Leaf(
                index=row.place,
                sealed_at=row.sealed_at,
                own=row.by_reader,
                text=row.text,
                hash=row.hash,
                said=json.loads(row.text),
            )
            for row in await bound.connection.execute(_LIST, asked)
        )


async def receipt(scope: ReadScope, engine: AsyncEngine, agreement: UUID, *, limit: int = 1000) -> Receipt:
    """Tell an owner what had left under an agreement; empty for anybody else."""
    async with reading(scope, engine) as bound:
        found = (await bound.connection.execute(_RECEIPT, {"agreement": agreement, "limit": limit})).all()
    return Receipt(
        departures=tuple(
            Departure(
                access=row.access,
                at=row.at,
                principal=row.principal,
                kind=AccessKind(row.kind),
                purpose=row.purpose,
                outcome=row.outcome,
                ended=row.ended,
                reason=row.reason,
                rows=row.rows,
            )
            for row in found
        ),
        answers=found[0].answers if found else 0,
        rows=int(found[0].total or 0) if found else 0,
    )


async def checkpoint(scope: ReadScope, engine: AsyncEngine) -> Checkpoint:
    """Give the newest checkpoint."""
    async with reading(scope, engine) as bound:
        return await _checkpoint(bound)


async def prove_inclusion(scope: ReadScope, engine: AsyncEngine, index: int, *, size: int | None = None) -> Proof:
    """Prove that a leaf is among the first `size`, by default among all; raises InvalidInput if it is not."""
    async with reading(scope, engine) as bound:
        size = await _sized(bound, size)
        parts = merkle.inclusion(index, size)
        known = await _hashes(bound, [*parts, merkle.cover(0, size), (Node(0, index),)])
        return Proof(checkpoint=_root(size, known), hashes=_written(parts, known), leaf=known[Node(0, index)].hex())


async def prove_consistency(scope: ReadScope, engine: AsyncEngine, earlier: int, *, size: int | None = None) -> Proof:
    """Prove that the first `earlier` leaves are those with which the first `size`, by default all, begin.

    Raises InvalidInput for sizes out of order or beyond the ledger.
    """
    async with reading(scope, engine) as bound:
        size = await _sized(bound, size)
        parts = merkle.consistency(earlier, size)
        known = await _hashes(bound, [*parts, merkle.cover(0, size), merkle.cover(0, earlier)])
        return Proof(checkpoint=_root(size, known), hashes=_written(parts, known), earlier=_root(earlier, known))


async def _checkpoint(bound: Bound) -> Checkpoint:
    row = (await bound.connection.execute(_CHECKPOINT)).one_or_none()
    return NOTHING_SEALED if row is None else Checkpoint(size=row.size, root=row.root)


async def _sized(bound: Bound, size: int | None) -> int:
    newest = (await _checkpoint(bound)).size
    if size is not None and size > newest:
        raise InvalidInput(f"The ledger has {newest} entries; there is no checkpoint of {size} yet.")
    return newest if size is None else size


async def _hashes(bound: Bound, covers: Sequence[Cover]) -> dict[Node, bytes]:
    nodes = sorted({node for one in covers for node in one})
    asked = {"levels": [node.level for node in nodes], "indexes": [node.place for node in nodes]}
    found = await bound.connection.execute(_NODES, asked)
    return {Node(row.level, row.place): bytes(row.hash) for row in found}


def _root(size: int, known: Mapping[Node, bytes]) -> Checkpoint:
    (root,) = merkle.folded([merkle.cover(0, size)], known)
    return Checkpoint(size=size, root=root.hex())


def _written(parts: Sequence[Cover], known: Mapping[Node, bytes]) -> tuple[str, ...]:
    return tuple(one.hex() for one in merkle.folded(parts, known))
