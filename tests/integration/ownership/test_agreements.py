"""What an agreement opens to whom, from when until when; and that nothing of its life can be edited or guessed."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from fieldlab.assets.participant import Permission
from fieldlab.errors import Conflict, FieldlabError, Forbidden, NotFound, OutsideAgreement
from fieldlab.ownership import document
from fieldlab.ownership.agreement import LIFE, Action, Agreement, State
from fieldlab.ownership.decision import NOTHING_SAID, Ask
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.segment import BasisKind
from fieldlab.ownership.tenure import Tenure
from fieldlab.ownership.terms import DataFormat, Declared, Enforced, Terms
from fieldlab.readings.instant import FOREVER, MINUTE, NEVER, SECOND, Instant
from fieldlab.storage import agreements, catalogue, hand_overs, read
from fieldlab.storage.selection import Answer, Selection
from tests.integration.ownership.floor import CURRENT, JOINT, MONDAY, STATE, TUESDAY, WEDNESDAY, Floor
from tests.integration.ownership.pact import WEEK, Wanted, offer, pact, request, sign, writing
from tests.integration.ownership.rows import times

DENIED = psycopg.errors.InsufficientPrivilege


@pytest.fixture
async def lab(floor: Floor) -> Floor:
    """The floor with everybody allowed to write agreements, and a sample on the mill every ten seconds."""
    await writing(floor)
    moments = range(MONDAY - 10 * MINUTE, WEDNESDAY + 10 * MINUTE, 600 * SECOND)
    floor.store(CURRENT, [(Instant(moment), float(moment - MONDAY)) for moment in moments])
    return floor


async def ask(lab: Floor, reader: str, said: Ask = NOTHING_SAID) -> Answer:
    selection = Selection(streams=(CURRENT,), interval=ALWAYS, limit=10_000, ask=said)
    return await read.measurements(lab.scopes[reader], lab.pool, selection)


async def sees(lab: Floor, reader: str) -> bool:
    try:
        return len((await ask(lab, reader)).rows) > 0
    except NotFound:
        return False


class TestWhatItOpens:
    async def test_is_the_owner_s_tenure_and_nothing_before_or_after(self, lab: Floor) -> None:
        made = await pact(lab)
        answer = await ask(lab, "outsider")
        assert times(answer) == times(await ask(lab, "sme-a"))
        (segment,) = answer.segments
        assert segment.interval == Interval(start=MONDAY, until=TUESDAY)
        assert (segment.owner, segment.trial) == ("sme-a", "trial-of-sme-a")
        assert (segment.basis.kind, segment.basis.agreement) == (BasisKind.AGREEMENT, made.id)
        assert segment.basis.hash == made.hash == document.digest(made.terms)

    async def test_never_covers_a_later_tenant(self, lab: Floor) -> None:
        await pact(lab)
        before = times(await ask(lab, "outsider"))
        later = Interval(start=Instant(WEDNESDAY + 60 * MINUTE), until=Instant(WEDNESDAY + 120 * MINUTE))
        await hand_overs.hand_over(
            lab.scopes["lab"], lab.engine, "mill-1", Tenure(owner="sme-b", interval=later, booked=True)
        )
        lab.store(CURRENT, [(later.start, 1.0)])
        assert times(await ask(lab, "outsider")) == before
        assert all(segment.owner == "sme-a" for segment in (await ask(lab, "outsider")).segments)

    async def test_ends_with_the_data_window_to_the_microsecond(self, lab: Floor) -> None:
        window = Interval(start=Instant(MONDAY + 600 * SECOND), until=Instant(MONDAY + 1200 * SECOND))
        await pact(lab, data=window)
        assert times(await ask(lab, "outsider")) == [MONDAY + 600 * SECOND]

    async def test_is_one_trial_alone_where_it_names_one(self, lab: Floor) -> None:
        again = Interval(start=WEDNESDAY, until=Instant(WEDNESDAY + MINUTE))
        await hand_overs.hand_over(
            lab.scopes["lab"], lab.engine, "mill-1", Tenure(owner="sme-a", interval=again, booked=True, trial="second")
        )
        await pact(lab, trial="second")
        assert [segment.interval for segment in (await ask(lab, "outsider")).segments] == [again]

    async def test_holds_back_what_is_younger_than_the_embargo(self, lab: Floor) -> None:
        now = Instant.now()
        young, old = Instant(now - 30 * MINUTE), Instant(now - 90 * MINUTE)
        lab.store(JOINT, [(old, 1.0), (young, 2.0)])
        await pact(lab, owner="sme-b", streams=(JOINT,), embargo=60 * MINUTE)
        selection = Selection(streams=(JOINT,), interval=ALWAYS, limit=10)
        answer = await read.measurements(lab.scopes["outsider"], lab.pool, selection)
        assert times(answer) == [old]
        assert answer.segments[0].interval.until == answer.decided_at - 60 * MINUTE
        assert times(await read.latest(lab.scopes["outsider"], lab.pool, (JOINT,))) == [old]

    @pytest.mark.parametrize(
        "validity",
        [Interval(start=NEVER, until=MONDAY), Interval(start=Instant(FOREVER - 1), until=FOREVER)],
        ids=["over", "not yet"],
    )
    async def test_is_nothing_outside_its_validity(self, lab: Floor, validity: Interval) -> None:
        if validity.until == MONDAY:
            with psycopg.connect(lab.database.admin) as admin:
                made = await pact(lab, validity=Interval(start=NEVER, until=WEEK.until))
                admin.execute("ALTER TABLE fieldlab.agreement DISABLE TRIGGER immutable")
                admin.execute("UPDATE fieldlab.agreement SET valid_until = '2026-11-16Z' WHERE id = %s", [made.id])
                admin.execute("ALTER TABLE fieldlab.agreement ENABLE TRIGGER immutable")
            assert (await agreements.one(lab.scopes["sme-a"], lab.engine, made.id)).state is State.EXPIRED
        else:
            await pact(lab, validity=Interval(start=Instant(Instant.now() + 60 * MINUTE), until=FOREVER))
        assert not await sees(lab, "outsider")

    async def test_is_in_the_catalogue_while_it_holds(self, lab: Floor) -> None:
        scope = lab.scopes["outsider"]
        assert await catalogue.assets(scope, lab.engine) == ()
        made = await pact(lab)
        (stream,) = await catalogue.streams(scope, lab.engine)
        assert (stream.reference, stream.first) == (CURRENT, MONDAY)
        assert stream.last is not None
        assert stream.last < TUESDAY
        await agreements.step(lab.scopes["sme-a"], lab.engine, made.id, Action.TERMINATE)
        assert await catalogue.assets(scope, lab.engine) == ()
        assert await catalogue.streams(scope, lab.engine) == ()

    async def test_does_not_grow_by_a_stream_that_it_does_not_name(self, lab: Floor) -> None:
        lab.store(STATE, [(MONDAY, "milling")])
        await pact(lab)
        with pytest.raises(NotFound):
            await read.latest(lab.scopes["outsider"], lab.pool, (STATE,))


class TestSeveralThatFit:
    async def test_give_each_stretch_one_basis(self, lab: Floor) -> None:
        half = Interval(start=Instant(MONDAY + 720 * MINUTE), until=TUESDAY)
        slow = await pact(lab, embargo=60 * MINUTE)
        prompt = await pact(lab, data=half)
        answer = await ask(lab, "outsider")
        assert [(one.interval, one.basis.agreement) for one in answer.segments] == [
            (Interval(start=MONDAY, until=half.start), slow.id),
            (half, prompt.id),
        ]
        assert times(answer) == times(await ask(lab, "sme-a"))

    async def test_are_told_apart_by_the_caller(self, lab: Floor) -> None:
        slow, prompt = await pact(lab, embargo=60 * MINUTE), await pact(lab)
        for named in (slow, prompt):
            answer = await ask(lab, "outsider", Ask(basis=named.id))
            assert {segment.basis.agreement for segment in answer.segments} == {named.id}

    async def test_give_the_latest_value_once_under_the_better_one(self, lab: Floor) -> None:
        await pact(lab, embargo=60 * MINUTE)
        prompt = await pact(lab)
        (segment,) = (await read.latest(lab.scopes["outsider"], lab.pool, (CURRENT,))).segments
        assert segment.basis.agreement == prompt.id


class TestItsLife:
    async def test_begins_with_the_grantee_s_request_and_the_owner_s_approval(self, lab: Floor) -> None:
        made = await request(lab)
        assert made.state is State.REQUESTED
        assert not await sees(lab, "outsider")
        with pytest.raises(Forbidden, match="Only the owner"):
            await agreements.step(lab.scopes["outsider"], lab.engine, made.id, Action.APPROVE)
        approved = await agreements.step(lab.scopes["sme-a"], lab.engine, made.id, Action.APPROVE, reason="welcome")
        assert approved.state is State.ACTIVE
        assert await sees(lab, "outsider")
        told = await agreements.events(lab.scopes["outsider"], lab.engine, made.id)
        assert [(one.kind, one.participant, one.reason) for one in told] == [
            ("request", "outsider", ""),
            ("approve", "sme-a", "welcome"),
        ]

    async def test_is_suspended_and_resumed_by_the_owner_alone_and_at_once(self, lab: Floor) -> None:
        made = await pact(lab)
        with pytest.raises(Forbidden):
            await agreements.step(lab.scopes["outsider"], lab.engine, made.id, Action.SUSPEND)
        for action, seen in ((Action.SUSPEND, False), (Action.RESUME, True), (Action.TERMINATE, False)):
            await agreements.step(lab.scopes["sme-a"], lab.engine, made.id, action)
            assert await sees(lab, "outsider") is seen

    async def test_is_ended_by_the_grantee_for_its_own_side(self, lab: Floor) -> None:
        made = await pact(lab)
        await agreements.step(lab.scopes["outsider"], lab.engine, made.id, Action.TERMINATE)
        assert not await sees(lab, "outsider")

    async def test_expires_unanswered_and_says_so(self, lab: Floor) -> None:
        made = await request(lab, answer_within=1)
        await asyncio.sleep(0.01)
        for who in ("sme-a", "outsider"):
            assert (await agreements.one(lab.scopes[who], lab.engine, made.id)).state is State.EXPIRED
        with pytest.raises(Conflict, match="is expired"):
            await agreements.step(lab.scopes["sme-a"], lab.engine, made.id, Action.APPROVE)
        told = await agreements.events(lab.scopes["sme-a"], lab.engine, made.id)
        assert [(one.kind, one.principal) for one in told][-1] == ("expire", "the clock")

    async def test_another_replaces_it_in_one_transaction(self, lab: Floor) -> None:
        first = await pact(lab)
        half = Interval(start=MONDAY, until=Instant(MONDAY + 720 * MINUTE))
        second = await offer(lab, data=half, replaces=first.id)
        assert (await ask(lab, "outsider")).segments[0].basis.agreement == first.id
        await sign(lab, second)
        answer = await ask(lab, "outsider")
        assert [(one.basis.agreement, one.interval) for one in answer.segments] == [(second.id, half)]
        ended = await agreements.one(lab.scopes["sme-a"], lab.engine, first.id)
        assert ended.state is State.TERMINATED
        told = await agreements.events(lab.scopes["outsider"], lab.engine, first.id)
        assert told[-1].reason == f"replaced by {second.id}"

    async def test_what_has_ended_is_not_replaced(self, lab: Floor) -> None:
        first = await pact(lab)
        second = await offer(lab, replaces=first.id)
        await agreements.step(lab.scopes["sme-a"], lab.engine, first.id, Action.TERMINATE)
        with pytest.raises(Conflict, match="has ended"):
            await sign(lab, second)

    @pytest.mark.parametrize("stranger", ["lab", "sme-b"])
    async def test_is_missing_for_everybody_else(self, lab: Floor, stranger: str) -> None:
        made = await pact(lab)
        scope = lab.scopes[stranger]
        told = set()
        for id_ in (made.id, uuid4()):
            calls: list[Callable[[UUID], Any]] = [
                lambda one: agreements.one(scope, lab.engine, one),
                lambda one: agreements.events(scope, lab.engine, one),
                lambda one: agreements.step(scope, lab.engine, one, Action.TERMINATE),
            ]
            for call in calls:
                with pytest.raises(NotFound) as refused:
                    await call(id_)
                told.add(str(refused.value).replace(str(id_), "…"))
        assert len(told) == 1
        assert await agreements.listed(scope, lab.engine) == ()

    async def test_an_agreement_with_others_cannot_be_replaced(self, lab: Floor) -> None:
        first = await pact(lab)
        for replaced in (first.id, uuid4()):
            with pytest.raises(NotFound):
                await offer(lab, owner="sme-b", streams=(JOINT,), replaces=replaced)

    async def test_the_database_and_the_code_know_the_same_steps(self, lab: Floor) -> None:
        with psycopg.connect(lab.database.admin) as admin:
            held = admin.execute("SELECT * FROM fieldlab.agreement_steps()").fetchall()
        assert {(state, action, party): becomes for state, action, party, becomes in held} == LIFE

    async def test_is_written_by_nobody_without_the_permission(self, lab: Floor) -> None:
        reader = replace(lab.scopes["sme-a"], permissions=frozenset({Permission.DATA_READ}))
        terms = Terms(owner="sme-a", grantee="outsider", enforced=Enforced(streams=(CURRENT,)))
        with pytest.raises(Forbidden, match="agreements:write"):
            await agreements.propose(reader, lab.engine, terms, answer_within=MINUTE)
        with pytest.raises(Forbidden, match="agreements:write"):
            await agreements.step(reader, lab.engine, uuid4(), Action.APPROVE)

    async def test_is_proposed_by_a_party_only(self, lab: Floor) -> None:
        terms = Terms(owner="sme-a", grantee="outsider", enforced=Enforced(streams=(CURRENT,)))
        with pytest.raises(Forbidden, match="owner or its grantee"):
            await agreements.propose(lab.scopes["sme-b"], lab.engine, terms, answer_within=MINUTE)


class TestARequest:
    async def test_tells_nothing_of_streams(self, lab: Floor) -> None:
        made = [await request(lab, streams=(stream,)) for stream in (CURRENT, JOINT, "mill-9.none")]
        assert {one.state for one in made} == {State.REQUESTED}
        told = {
            tuple(one.kind for one in await agreements.events(lab.scopes["outsider"], lab.engine, each.id))
            for each in made
        }
        assert len(told) == 1

    @pytest.mark.parametrize("stream", [JOINT, "mill-9.none"])
    async def test_for_what_is_not_the_owner_s_cannot_be_approved(self, lab: Floor, stream: str) -> None:
        made = await request(lab, streams=(CURRENT, stream))
        with pytest.raises(Conflict, match="reject it"):
            await agreements.step(lab.scopes["sme-a"], lab.engine, made.id, Action.APPROVE)
        assert not await sees(lab, "outsider")

    @pytest.mark.parametrize(
        "terms", [{"streams": (JOINT,)}, {"streams": ("mill-9.none",)}, {"trial": "trial-of-sme-b"}]
    )
    async def test_an_offer_of_what_is_not_one_s_own_is_not_found(self, lab: Floor, terms: Wanted) -> None:
        with pytest.raises(NotFound):
            await offer(lab, **terms)


async def test_a_hand_over_against_an_approval_gives_nobody_else_s_data(lab: Floor) -> None:
    made = await request(lab, owner="lab", streams=(CURRENT,))
    booked = Interval(start=Instant(WEDNESDAY + 60 * MINUTE), until=Instant(WEDNESDAY + 120 * MINUTE))
    lab.store(CURRENT, [(booked.start, 1.0)])
    booking = Tenure(owner="sme-b", interval=booked, booked=True)
    await asyncio.gather(
        agreements.step(lab.scopes["lab"], lab.engine, made.id, Action.APPROVE),
        hand_overs.hand_over(lab.scopes["lab"], lab.engine, "mill-1", booking),
    )
    answer = await ask(lab, "outsider")
    assert times(answer) == times(await ask(lab, "lab"))
    assert booked.start not in times(answer)
    assert {segment.owner for segment in answer.segments} == {"lab"}


async def test_two_answers_at_once_to_one_request_are_one(lab: Floor) -> None:
    made = await request(lab)
    took = await asyncio.gather(
        *(
            agreements.step(lab.scopes["sme-a"], lab.engine, made.id, action)
            for action in (Action.APPROVE, Action.REJECT, Action.APPROVE)
        ),
        return_exceptions=True,
    )
    assert len([one for one in took if isinstance(one, Agreement)]) == 1
    assert all(isinstance(one, (Agreement, FieldlabError)) for one in took)


async def test_a_revocation_between_two_pages_ends_the_second(lab: Floor) -> None:
    made = await pact(lab)
    first = await read.measurements(
        lab.scopes["outsider"], lab.pool, Selection(streams=(CURRENT,), interval=ALWAYS, limit=5)
    )
    assert first.next is not None
    second = Selection(streams=(CURRENT,), interval=ALWAYS, limit=5, after=first.next)
    assert len((await read.measurements(lab.scopes["outsider"], lab.pool, second)).rows) == 5
    await agreements.step(lab.scopes["sme-a"], lab.engine, made.id, Action.SUSPEND)
    with pytest.raises(NotFound):
        await read.measurements(lab.scopes["outsider"], lab.pool, second)


class TestAPurpose:
    async def test_outside_the_agreement_is_refused(self, lab: Floor) -> None:
        made = await pact(lab, declared=Declared(purposes=("tool-wear-research",)))
        assert len((await ask(lab, "outsider", Ask(purpose="tool-wear-research"))).rows) > 0
        for said in (Ask(purpose="marketing"), Ask()):
            with pytest.raises(OutsideAgreement, match=str(made.id)):
                await ask(lab, "outsider", said)
            with pytest.raises(OutsideAgreement):
                await read.latest(lab.scopes["outsider"], lab.pool, (CURRENT,), said)

    async def test_refused_is_told_to_both_sides(self, lab: Floor) -> None:
        made = await pact(lab, declared=Declared(purposes=("tool-wear-research",)))
        await agreements.note_refused_purpose(lab.scopes["outsider"], lab.engine, made.id, "marketing")
        await agreements.note_refused_purpose(lab.scopes["sme-b"], lab.engine, made.id, "mischief")
        for who in ("sme-a", "outsider"):
            told = (await agreements.events(lab.scopes[who], lab.engine, made.id))[-1]
            assert (told.kind, told.participant, told.reason) == ("refuse_purpose", "outsider", "marketing")

    async def test_a_format_that_is_not_allowed_is_refused(self, lab: Floor) -> None:
        await pact(lab, formats=(DataFormat.JSON,))
        assert len((await ask(lab, "outsider", Ask(format=DataFormat.JSON))).rows) > 0
        with pytest.raises(OutsideAgreement, match="allows no csv"):
            await ask(lab, "outsider", Ask(format=DataFormat.CSV))


EDITS = [
    "UPDATE fieldlab.agreement SET terms = terms || ' '",
    "UPDATE fieldlab.agreement SET resolution_floor = 1, minimum_samples = 1, aggregates = '{mean}'",
    "UPDATE fieldlab.agreement SET data_until = 'infinity', state = 'suspended'",
    "UPDATE fieldlab.agreement SET state = 'requested'",
    "UPDATE fieldlab.agreement_stream SET stream_id = 3",
    "UPDATE fieldlab.agreement_event SET reason = 'never said'",
    "INSERT INTO fieldlab.agreement_stream SELECT id, 3 FROM fieldlab.agreement",
    "DELETE FROM fieldlab.agreement_event",
    "DELETE FROM fieldlab.agreement_stream",
    "TRUNCATE fieldlab.agreement CASCADE",
]


@pytest.mark.parametrize("edit", EDITS)
async def test_what_was_signed_is_edited_by_no_role(lab: Floor, edit: str) -> None:
    await pact(lab, data=WEEK)
    for url in (lab.database.admin, lab.database.api, lab.database.gateway, lab.database.maintainer):
        with psycopg.connect(url) as connection, pytest.raises(DENIED):
            connection.execute(edit.encode())


PROPOSALS = {
    "a term that nobody knows": lambda text: text.replace('"live":', '"colour":"red","live":'),
    "a key twice": lambda text: text.replace('"live":', '"live":true,"live":'),
    "a section that nobody knows": lambda text: text.replace('"owner":', '"operator":"gteq","owner":'),
    "a term that is missing": lambda text: text.replace('"live":false,', ""),
}


@pytest.mark.parametrize("change", PROPOSALS.values(), ids=PROPOSALS)
async def test_the_database_itself_refuses(lab: Floor, change: Callable[[str], str]) -> None:
    made = await offer(lab)
    assert change(made.text) != made.text
    with lab.bound("sme-a") as attacker, pytest.raises(psycopg.errors.InvalidParameterValue):
        attacker.execute("SELECT visible.propose_agreement(%s, NULL, interval '1 day')", [change(made.text)])


async def test_the_database_itself_asks_who_proposes_and_steps(lab: Floor) -> None:
    made = await request(lab)
    with lab.bound("sme-b") as attacker, pytest.raises(DENIED):
        attacker.execute("SELECT visible.propose_agreement(%s, NULL, interval '1 day')", [made.text])
    for who, step, refusal in (
        ("sme-b", "approve", psycopg.errors.NoDataFound),
        ("outsider", "approve", psycopg.errors.ObjectNotInPrerequisiteState),
        ("sme-a", "suspend", psycopg.errors.ObjectNotInPrerequisiteState),
        ("sme-a", "anything", psycopg.errors.ObjectNotInPrerequisiteState),
    ):
        with lab.bound(who) as attacker, pytest.raises(refusal):
            attacker.execute("SELECT visible.step_agreement(%s, %s, '')", [made.id, step])
