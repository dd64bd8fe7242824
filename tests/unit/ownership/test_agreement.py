"""The life of an agreement: who may take which step."""

from itertools import product

import pytest

from fieldlab.errors import Conflict, Forbidden
from fieldlab.ownership.agreement import LIFE, Action, Party, State, moved

WAITING = frozenset({State.REQUESTED, State.OFFERED})
HOLDING = frozenset({State.ACTIVE, State.SUSPENDED})
ENDED = sorted(set(State) - WAITING - HOLDING)


def test_only_the_other_side_of_a_proposal_can_approve_it() -> None:
    assert moved(State.REQUESTED, Action.APPROVE, Party.OWNER) is State.ACTIVE
    assert moved(State.OFFERED, Action.APPROVE, Party.GRANTEE) is State.ACTIVE
    for state, party in ((State.REQUESTED, Party.GRANTEE), (State.OFFERED, Party.OWNER)):
        with pytest.raises(Forbidden):
            moved(state, Action.APPROVE, party)


@pytest.mark.parametrize("action", [Action.SUSPEND, Action.RESUME])
def test_only_the_owner_suspends_and_resumes(action: Action) -> None:
    state = State.ACTIVE if action is Action.SUSPEND else State.SUSPENDED
    moved(state, action, Party.OWNER)
    with pytest.raises(Forbidden, match="Only the owner"):
        moved(state, action, Party.GRANTEE)


@pytest.mark.parametrize(("state", "party"), [*product(sorted(HOLDING), Party)])
def test_either_side_ends_what_holds(state: State, party: Party) -> None:
    assert moved(state, Action.TERMINATE, party) is State.TERMINATED


@pytest.mark.parametrize(("state", "action", "party"), [*product(ENDED, Action, Party)])
def test_nothing_begins_again(state: State, action: Action, party: Party) -> None:
    with pytest.raises(Conflict, match=f"is {state}"):
        moved(state, action, party)


def test_a_wrong_step_says_which_ones_there_are() -> None:
    with pytest.raises(Conflict, match="you can suspend or terminate"):
        moved(State.ACTIVE, Action.RESUME, Party.OWNER)


def test_every_state_that_is_not_the_first_or_expired_is_reached() -> None:
    assert set(LIFE.values()) == set(State) - {State.REQUESTED, State.OFFERED, State.EXPIRED}
