"""The access ledger: who read what, and whether anybody has changed it since you last looked.

The proofs of RFC 9162 are computed here, of what the lab says: it is not taken at its word.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from fieldlab_client.connection import Connection
from fieldlab_client.errors import FieldlabClientError, LedgerChanged
from fieldlab_client.listing import Listing
from fieldlab_client.merkle import grew, leaf_hash, root_over

Whose = Literal["mine", "others"]
_DIGITS: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """How many entries the ledger had, and one hash over all of them. `str` of it is a line to keep."""

    size: int
    root: str

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read one of an answer."""
        return cls(size=document["size"], root=document["root"])

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read the line that `str` gave, or that an answer has in its header `Ledger-Checkpoint`."""
        size, _, root = line.strip().partition(" ")
        if not size.isdecimal() or len(root) != _DIGITS:
            raise FieldlabClientError(f"{line!r} is no checkpoint: a number, a space and 64 hexadecimal digits.")
        return cls(size=int(size), root=root)

    def __str__(self) -> str:
        """Give the line to keep."""
        return f"{self.size} {self.root}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """An entry: who read what, when and for what; `own` where it was you.

    `owners` and `agreements` are those of the part that concerns you, `rows` the rows of that part as far as they are
    known. `entry` is all that the entry says, `text` the same to the letter, as it is hashed.
    """

    index: int
    at: str | None
    kind: str
    participant: str | None
    principal: str | None
    purpose: str | None
    outcome: str | None
    streams: tuple[str, ...]
    owners: tuple[str, ...]
    agreements: tuple[str, ...]
    rows: int | None
    own: bool
    sealed_at: str
    entry: Mapping[str, Any]
    text: str
    hash: str

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read one of an answer."""
        entry = document["entry"]
        segments: list[Mapping[str, Any]] = entry.get("segments") or []
        return cls(
            index=document["index"],
            at=entry.get("at"),
            kind=entry["kind"],
            participant=entry.get("participant"),
            principal=entry.get("principal"),
            purpose=entry.get("purpose"),
            outcome=entry.get("outcome"),
            streams=_each(name for one in (*segments, entry) for name in one.get("streams", (one.get("stream"),))),
            owners=_each(one.get("owner") for one in segments),
            agreements=_each(one.get("agreement") for one in segments),
            rows=entry.get("rows"),
            own=document["own"],
            sealed_at=document["sealed_at"],
            entry=entry,
            text=document["text"],
            hash=document["hash"],
        )


_COLUMNS: Final = tuple(name for name in Access.__slots__ if name not in {"entry", "text"})


class Ledger:
    """Who read what of yours, and what you read of others. Nothing is asked before you look."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def accesses(self, whose: Whose | None = None) -> Listing[Access]:
        """List entries, newest first: `others` read what you owned when it was measured, `mine` you read yourself."""
        return Listing(self._connection, "/v1/accesses", {"whose": whose}, Access.read, _COLUMNS)

    def checkpoint(self) -> Checkpoint:
        """Give the newest checkpoint; keep it where the lab cannot reach it, and give it to `check` later."""
        return Checkpoint.read(self._connection.get("/v1/accesses/checkpoint"))

    def check(self, kept: Checkpoint) -> Checkpoint:
        """Prove that everything before a checkpoint is still there as it was; gives the one to keep from now on.

        Raises LedgerChanged where an entry was edited, removed or put elsewhere.
        """
        newest = self.checkpoint()
        if newest.size < kept.size:
            raise LedgerChanged(f"The ledger had {kept.size} entries and has {newest.size}: some were removed.")
        told = self._connection.get("/v1/accesses/proof", {"earlier": kept.size, "size": newest.size})
        root = bytes.fromhex(kept.root)
        if not grew(kept.size, newest.size, _hashes(told), root, bytes.fromhex(newest.root)):
            raise LedgerChanged(f"The first {kept.size} entries of the ledger are not those that you were shown.")
        return newest

    def prove(self, access: Access, kept: Checkpoint | None = None) -> Checkpoint:
        """Prove that an entry stands in the ledger as it was shown to you; gives the checkpoint that covers it.

        With a checkpoint that you kept, it is proved against that one. Raises LedgerChanged where it does not stand so.
        """
        if kept is not None and access.index >= kept.size:
            raise FieldlabClientError(f"Entry {access.index} is younger than that checkpoint of {kept.size} entries.")
        against = kept or self.checkpoint()
        told = self._connection.get("/v1/accesses/proof", {"index": access.index, "size": against.size})
        found = root_over(leaf_hash(access.text.encode()), access.index, against.size, _hashes(told))
        if json.loads(access.text) != access.entry or found != bytes.fromhex(against.root):
            raise LedgerChanged(f"Entry {access.index} does not stand in the ledger as it was shown.")
        return against


def _each(named: Iterable[object]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(one) for one in named if one is not None))


def _hashes(told: Mapping[str, Any]) -> list[bytes]:
    return [bytes.fromhex(one) for one in told["hashes"]]
