"""Agreements, as callers propose them and answers show them; each term is labelled by where it stands."""

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.field import Duration, OpenMoment, SlugText, Words
from fieldlab.ownership import access, document
from fieldlab.ownership.access import AccessKind, EndKind
from fieldlab.ownership.agreement import Agreement as Signed
from fieldlab.ownership.agreement import AgreementEvent, Party, State
from fieldlab.ownership.terms import DataFormat, Terms
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import Instant

_FILES = frozenset({AccessKind.EXPORT, AccessKind.TAKE_OUT, AccessKind.PACKAGE})
_MONTH = 30 * 24 * 3_600_000_000
_STRICT = ConfigDict(extra="forbid", frozen=True)

Length = Annotated[str, Field(examples=["60s"], description="A duration such as `60s`, `1h` or `PT1M`.")]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Span(BaseModel):
    """A stretch of time, half-open; an end that is left out is open."""

    model_config = _STRICT

    from_: Annotated[Moment | None, Field(alias="from")] = None
    until: Moment | None = None


class EnforcedTerms(BaseModel):
    """What the database keeps, whatever the grantee does."""

    model_config = _STRICT

    streams: Annotated[
        list[Words],
        Field(
            max_length=1000,
            description="References of streams. Meant is what the owner's own tenures cover of them, never more.",
            examples=[["mill-1.spindle_current"]],
        ),
    ]
    trial: Annotated[SlugText | None, Field(description="Tenures of this trial of the owner's alone.")] = None
    data: Annotated[Span | None, Field(description="The data window: when it was measured.")] = None
    validity: Annotated[Span | None, Field(description="When it may be read, by the database's clock.")] = None
    resolution_floor: Annotated[
        Length | None, Field(description="Whole buckets of this length and its multiples alone; samples without it.")
    ] = None
    minimum_samples: Annotated[
        int | None, Field(description="With a floor: buckets with fewer are absent; 5 without it.")
    ] = None
    embargo: Annotated[Length | None, Field(description="What is younger than this is held back.")] = None
    aggregates: Annotated[
        list[Aggregate] | None, Field(description="With a floor: what is given of a bucket; mean and count without it.")
    ] = None
    formats: Annotated[list[DataFormat] | None, Field(description="In which formats; today's without it.")] = None
    live: Annotated[bool, Field(description="Whether it may be followed live.")] = False


class DeclaredTerms(BaseModel):
    """What the grantee promises and nobody can enforce; the product does not pretend to."""

    model_config = _STRICT

    purposes: Annotated[
        list[Words], Field(description="Terms or IRIs, one of which a reader must state. Nobody can check it is true.")
    ] = []
    onward_sharing: Annotated[bool, Field(description="Whether the grantee may pass it on.")] = False
    attribution: Annotated[Words | None, Field(description="How the owner is to be named.")] = None
    delete_by: Annotated[date | None, Field(description="When the grantee deletes its copies.")] = None
    licence: Annotated[
        str | None, Field(description="An SPDX expression, Creative Commons included.", examples=["CC-BY-4.0"])
    ] = None


class Proposal(BaseModel):
    """An offer of your own data, or a request for another's: whoever is left out is you."""

    model_config = _STRICT

    owner: Annotated[SlugText | None, Field(description="Whose data; you without it.")] = None
    grantee: Annotated[SlugText | None, Field(description="Who may read it; you without it.")] = None
    enforced: EnforcedTerms
    declared: DeclaredTerms = DeclaredTerms()
    replaces: Annotated[UUID | None, Field(description="The agreement that ends when this one is approved.")] = None
    answer_within: Annotated[Duration, Field(description="How long it waits; silence never approves.")] = _MONTH

    def terms(self, me: str) -> Terms:
        """Give the terms; raises InvalidTerms for any that cannot be kept."""
        written = self.model_dump(mode="json", by_alias=True, include={"enforced", "declared"})
        return document.read_object({**written, "owner": self.owner or me, "grantee": self.grantee or me})


class Why(BaseModel):
    """Why, in words that both parties will see."""

    model_config = _STRICT

    reason: Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")] = ""


class Agreement(BaseModel):
    """An agreement. `owner`, `grantee`, `enforced` and `declared` are what is signed."""

    id: UUID
    state: State
    owner: Annotated[str, Field(examples=["sme-a"])]
    grantee: Annotated[str, Field(examples=["researcher"])]
    enforced: Annotated[dict[str, Any], Field(description="What the database keeps, whatever the grantee does.")]
    declared: Annotated[dict[str, Any], Field(description="What the grantee promises and nobody can enforce.")]
    text: Annotated[
        str | None,
        Field(
            description="What is signed: these four as canonical JSON (RFC 8785). "
            "Null to a key that is limited to some of the streams: it is told of these alone."
        ),
    ]
    hash: Annotated[str, Field(description="The SHA-256 of what is signed.")]
    proposed_by: Party
    proposed_at: OpenMoment
    answer_by: Annotated[OpenMoment, Field(description="When it expires unanswered.")]
    replaces: UUID | None

    @classmethod
    def of(cls, agreement: Signed) -> Self:
        """Show an agreement."""
        return cls.model_validate(
            {
                **document.written(agreement.terms),
                "id": agreement.id,
                "state": agreement.state,
                "text": agreement.text if agreement.whole else None,
                "hash": agreement.hash,
                "proposed_by": agreement.proposed_by,
                "proposed_at": agreement.proposed_at,
                "answer_by": agreement.answer_by,
                "replaces": agreement.replaces,
            }
        )


class Event(BaseModel):
    """A step in an agreement's life, or a purpose that was refused."""

    at: OpenMoment
    kind: Annotated[str, Field(examples=["approve"])]
    participant: Annotated[str | None, Field(description="Null for the clock.", examples=["sme-a"])]
    principal: str
    reason: str

    @classmethod
    def of(cls, event: AgreementEvent) -> Self:
        """Show an event."""
        return cls(
            at=event.at, kind=event.kind, participant=event.participant, principal=event.principal, reason=event.reason
        )


class GivenAnswer(BaseModel):
    """An answer that was given under an agreement."""

    access: Annotated[UUID, Field(description="Its entry in the ledger, at `/v1/accesses`.")]
    at: OpenMoment
    principal: str
    kind: AccessKind
    purpose: str | None
    outcome: Annotated[
        str, Field(description="`answered`, `cut` by the end of the right, `broken` off otherwise, or `running`.")
    ]
    ended: OpenMoment | None
    reason: Annotated[str | None, Field(examples=["agreement.terminated"])]
    rows: Annotated[int | None, Field(description="Rows that left under this agreement; null while not known.")]


class Receipt(BaseModel):
    """What had left under an agreement, to whom and when. Nobody can call it back."""

    agreement: UUID
    hash: str
    grantee: str
    state: State
    took_effect: Annotated[
        OpenMoment | None, Field(description="When it last ended or was suspended; null while it holds.")
    ]
    answers: Annotated[int, Field(description="How many answers had rows or segments under it.")]
    rows: Annotated[int, Field(description="How many rows left under it, as far as is known.")]
    cut: Annotated[list[GivenAnswer], Field(description="Answers that were running and that its end cut.")]
    exports: Annotated[list[GivenAnswer], Field(description="Files that were made of it and fetched.")]
    others: Annotated[list[GivenAnswer], Field(description="The rest, newest first; of all lists the newest 1,000.")]

    @classmethod
    def of(cls, agreement: Signed, took_effect: Instant | None, receipt: access.Receipt) -> Self:
        """Show a receipt."""
        cut = [one for one in receipt.departures if one.outcome == EndKind.CUT]
        files = [one for one in receipt.departures if one.kind in _FILES and one not in cut]
        return cls(
            agreement=agreement.id,
            hash=agreement.hash,
            grantee=agreement.terms.grantee,
            state=agreement.state,
            took_effect=took_effect,
            answers=receipt.answers,
            rows=receipt.rows,
            cut=[_given(one) for one in cut],
            exports=[_given(one) for one in files],
            others=[_given(one) for one in receipt.departures if one not in cut and one not in files],
        )


def _given(one: access.Departure) -> GivenAnswer:
    return GivenAnswer(**asdict(one))
