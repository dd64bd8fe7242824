"""An agreement: what an owner permits, and its life; proposed, answered and ended from a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fieldlab_client.connection import Connection, Document
from fieldlab_client.errors import NotWhole
from fieldlab_client.listing import Listing
from fieldlab_client.reading import fetch_from
from fieldlab_client.table import Measurements

if TYPE_CHECKING:
    from fieldlab_client.selection import Selection

Span = tuple[str | None, str | None]
"""`[start, until)`: RFC 3339 with an offset; None is open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What is agreed. Down to `live` the lab's database keeps it; what follows is promised, and nobody can enforce it.

    `data` is when it was measured, `validity` when it may be read. With a `resolution_floor` such as `60s` there are
    whole buckets alone, of at least `minimum_samples`, with these `aggregates`. `embargo` holds back what is younger.
    One of `purposes` must be stated by whoever reads.
    """

    streams: Sequence[str]
    trial: str | None = None
    data: Span | None = None
    validity: Span | None = None
    resolution_floor: str | None = None
    minimum_samples: int | None = None
    aggregates: Sequence[str] | None = None
    embargo: str | None = None
    formats: Sequence[str] | None = None
    live: bool = False
    purposes: Sequence[str] = ()
    onward_sharing: bool = False
    attribution: str | None = None
    delete_by: str | None = None
    licence: str | None = None

    def document(self) -> Document:
        """Write them as the lab takes them."""
        enforced: Document = {
            "streams": [*self.streams],
            "trial": self.trial,
            "data": _span(self.data),
            "validity": _span(self.validity),
            "resolution_floor": self.resolution_floor,
            "minimum_samples": self.minimum_samples,
            "aggregates": None if self.aggregates is None else [*self.aggregates],
            "embargo": self.embargo,
            "formats": None if self.formats is None else [*self.formats],
            "live": self.live,
        }
        declared: Document = {
            "purposes": [*self.purposes],
            "onward_sharing": self.onward_sharing,
            "attribution": self.attribution,
            "delete_by": self.delete_by,
            "licence": self.licence,
        }
        return {"enforced": _given(enforced), "declared": _given(declared)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """A step in an agreement's life, or a purpose that was refused; `participant` is None for the clock."""

    at: str
    kind: str
    participant: str | None
    principal: str
    reason: str

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read one of an answer."""
        return cls(**{name: document[name] for name in cls.__slots__})


class Agreement:
    """An agreement to which you are a party, as it was when it was last looked at."""

    columns: ClassVar = (
        *("id", "state", "owner", "grantee", "streams", "resolution_floor", "purposes", "licence"),
        *("proposed_by", "proposed_at", "answer_by", "hash"),
    )
    """What a table of them shows."""

    def __init__(self, connection: Connection, shown: Mapping[str, Any]) -> None:
        self._connection = connection
        self._shown = shown

    @classmethod
    def proposed(
        cls,
        connection: Connection,
        terms: Terms,
        *,
        answer_within: str | None,
        replaces: str | None,
        **other_side: str,
    ) -> Self:
        """Propose one; `other_side` is `grantee` for an offer, `owner` for a request."""
        waits = {"answer_within": answer_within, "replaces": replaces}
        return cls(connection, connection.change("/v1/agreements", {**terms.document(), **waits, **other_side}))

    @classmethod
    def known(cls, connection: Connection, id_: str) -> Self:
        """Find one."""
        return cls(connection, connection.get(f"/v1/agreements/{id_}"))

    @property
    def id(self) -> str:
        """Its id: what `selection.under(…)` takes."""
        return str(self._shown["id"])

    @property
    def state(self) -> str:
        """`requested`, `offered`, `active`, `suspended`, or how it ended."""
        return str(self._shown["state"])

    @property
    def owner(self) -> str:
        """Whose data."""
        return str(self._shown["owner"])

    @property
    def grantee(self) -> str:
        """Who may read it."""
        return str(self._shown["grantee"])

    @property
    def streams(self) -> tuple[str, ...]:
        """References of the streams; meant is what the owner's own tenures cover of them."""
        return tuple(self.enforced["streams"])

    @property
    def resolution_floor(self) -> str | None:
        """The length of the buckets below which nothing is given, such as `60s`; None for samples."""
        floor: str | None = self.enforced.get("resolution_floor")
        return floor

    @property
    def purposes(self) -> tuple[str, ...]:
        """Of these a reader states one, where there are any."""
        return tuple(self.declared.get("purposes", ()))

    @property
    def licence(self) -> str | None:
        """The licence that is declared."""
        licence: str | None = self.declared.get("licence")
        return licence

    @property
    def proposed_by(self) -> str:
        """Which side proposed it: `owner` or `grantee`."""
        return str(self._shown["proposed_by"])

    @property
    def proposed_at(self) -> str:
        """When it was proposed."""
        return str(self._shown["proposed_at"])

    @property
    def answer_by(self) -> str:
        """When it expires unanswered."""
        return str(self._shown["answer_by"])

    @property
    def enforced(self) -> Mapping[str, Any]:
        """The terms that the lab's database keeps."""
        terms: Mapping[str, Any] = self._shown["enforced"]
        return terms

    @property
    def declared(self) -> Mapping[str, Any]:
        """The terms that the grantee promises, and nobody can enforce."""
        terms: Mapping[str, Any] = self._shown["declared"]
        return terms

    @property
    def hash(self) -> str:
        """The SHA-256 of what is signed, as segments and the ledger name it."""
        return str(self._shown["hash"])

    @property
    def text(self) -> str:
        """What is signed, to the letter.

        Raises NotWhole where it is not what the hash says, and for a key that is told of some of the streams alone.
        """
        if self._shown["text"] is None:
            raise NotWhole(f"Your key is told of some of the streams of agreement {self.id} alone, not of its text.")
        text = str(self._shown["text"])
        if sha256(text.encode()).hexdigest() != self.hash:
            raise NotWhole(f"The text of agreement {self.id} is not the one that its hash names.")
        return text

    def events(self) -> Listing[Event]:
        """List who did what to it, when and why, oldest first."""
        return Listing(self._connection, f"/v1/agreements/{self.id}/events", {}, Event.read, Event.__slots__)

    def preview(self, chosen: Selection) -> Measurements:
        """Fetch what its grantee would get of a selection, in whatever state it is; for its owner."""
        return fetch_from(self._connection, f"/v1/agreements/{self.id}/preview", chosen.question(), label=chosen.label)

    def receipt(self) -> Mapping[str, Any]:
        """Give what has left under it so far, to whom and when; for its owner."""
        return self._connection.get(f"/v1/agreements/{self.id}/receipt")

    def approve(self, reason: str = "") -> Self:
        """Agree to what the other side proposed."""
        return self._step("approve", reason)

    def reject(self, reason: str = "") -> Self:
        """Turn down what the other side proposed."""
        return self._step("reject", reason)

    def withdraw(self, reason: str = "") -> Self:
        """Take back what you proposed."""
        return self._step("withdraw", reason)

    def suspend(self, reason: str = "") -> Self:
        """Stop it for a while, as its owner, at once."""
        return self._step("suspend", reason)

    def resume(self, reason: str = "") -> Self:
        """Let it go on, as its owner."""
        return self._step("resume", reason)

    def terminate(self, reason: str = "") -> Self:
        """End it for good, at once, from either side."""
        return self._step("terminate", reason)

    def _step(self, step: str, reason: str) -> Self:
        self._shown = self._connection.change(f"/v1/agreements/{self.id}/{step}", {"reason": reason})
        return self

    def __repr__(self) -> str:
        """Show the parties, the streams and where it stands."""
        streams = ", ".join(self.streams)
        return f"Agreement({self.owner} → {self.grantee}, {self.state}, {streams}, {self.id})"


def _span(span: Span | None) -> Document | None:
    return None if span is None else _given({"from": span[0], "until": span[1]})


def _given(said: Document) -> Document:
    return {name: value for name, value in said.items() if value is not None}
