"""An owner's permission to another participant: its life from the first word to the last, without a clock of its own.

    requested ─approve (owner)──▶ active ─terminate (either)──▶ terminated
    offered ──approve (grantee)─▶ active ⇄ suspended (owner)
    requested, offered ─reject─▶ rejected, ─withdraw─▶ withdrawn
    whatever waits or holds ─its time is over─▶ expired

Silence never approves: what nobody answers in time expires. Terms never change; another agreement replaces this one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

from fieldlab.errors import Conflict, Forbidden
from fieldlab.ownership.terms import Terms
from fieldlab.readings.instant import Instant


class State(StrEnum):
    """Where an agreement stands."""

    REQUESTED = "requested"
    OFFERED = "offered"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    TERMINATED = "terminated"
    EXPIRED = "expired"


class Party(StrEnum):
    """On which side of an agreement a participant stands."""

    OWNER = "owner"
    GRANTEE = "grantee"


class Action(StrEnum):
    """What a party can do to an agreement that is there."""

    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    SUSPEND = "suspend"
    RESUME = "resume"
    TERMINATE = "terminate"


LIFE: Final[Mapping[tuple[State, Action, Party], State]] = {
    (State.REQUESTED, Action.APPROVE, Party.OWNER): State.ACTIVE,
    (State.REQUESTED, Action.REJECT, Party.OWNER): State.REJECTED,
    (State.REQUESTED, Action.WITHDRAW, Party.GRANTEE): State.WITHDRAWN,
    (State.OFFERED, Action.APPROVE, Party.GRANTEE): State.ACTIVE,
    (State.OFFERED, Action.REJECT, Party.GRANTEE): State.REJECTED,
    (State.OFFERED, Action.WITHDRAW, Party.OWNER): State.WITHDRAWN,
    (State.ACTIVE, Action.SUSPEND, Party.OWNER): State.SUSPENDED,
    (State.ACTIVE, Action.TERMINATE, Party.OWNER): State.TERMINATED,
    (State.ACTIVE, Action.TERMINATE, Party.GRANTEE): State.TERMINATED,
    (State.SUSPENDED, Action.RESUME, Party.OWNER): State.ACTIVE,
    (State.SUSPENDED, Action.TERMINATE, Party.OWNER): State.TERMINATED,
    (State.SUSPENDED, Action.TERMINATE, Party.GRANTEE): State.TERMINATED,
}
"""Every step there is; the database holds the same table and refuses any other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """An agreement as both of its parties see it; `state` holds at the moment it was read.

    A key that is limited to streams is told of these alone: then the text is not the one that the hash is of.
    """

    id: UUID
    terms: Terms
    text: str
    hash: str
    state: State
    proposed_by: Party
    proposed_at: Instant
    answer_by: Instant
    replaces: UUID | None = None

    @property
    def whole(self) -> bool:
        """Tell whether all that was signed is told."""
        return sha256(self.text.encode()).hexdigest() == self.hash

    def party(self, participant: str) -> Party:
        """Tell on which side a participant stands that sees the agreement."""
        return Party.OWNER if participant == self.terms.owner else Party.GRANTEE


@dataclass(frozen=True, kw_only=True, slots=True)
class AgreementEvent:
    """A step in an agreement's life: when, what, who and why; `number` orders those of one time."""

    number: int
    at: Instant
    kind: str
    participant: str | None
    principal: str
    reason: str


def moved(state: State, action: Action, party: Party) -> State:
    """Give the state after an action.

    Raises Conflict if the action is not possible in this state, Forbidden if it is for the other party alone.
    """
    becomes = LIFE.get((state, action, party))
    if becomes is not None:
        return becomes
    if any((state, action, other) in LIFE for other in Party):
        other = Party.GRANTEE if party is Party.OWNER else Party.OWNER
        raise Forbidden(f"Only the {other} can {action} an agreement that is {state}.")
    can = sorted({name for at, name, by in LIFE if at is state and by is party})
    raise Conflict(f"This agreement is {state}; you can {' or '.join(can) if can else 'do nothing with it any more'}.")
