"""The value in force at a time is the newest before it in the tenure of that time; a trial gives its time alone."""

import pytest

from fieldlab.errors import NotFound
from fieldlab.ownership.interval import ALWAYS
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.storage import read
from fieldlab.storage.selection import Answer, Selection, StatusFilter, StreamsOfTrial
from tests.integration.ownership.floor import CURRENT, MONDAY, STATE, TUESDAY, WEDNESDAY, Floor
from tests.integration.ownership.pact import pact, writing
from tests.integration.ownership.rows import column, times


@pytest.fixture
def _samples(floor: Floor) -> None:
    floor.store(
        CURRENT, [(Instant(day + offset), float(offset)) for day in (MONDAY, TUESDAY) for offset in (5, SECOND)]
    )
    floor.store(CURRENT, [(Instant(MONDAY + MINUTE), 9.0)], status=0x4000)
    floor.store(STATE, [(Instant(MONDAY + 7), "milling"), (Instant(WEDNESDAY + 7), "idle")])


async def as_of(floor: Floor, reader: str, at: int, *, status: StatusFilter = StatusFilter.ALL) -> Answer:
    selection = Selection(streams=(CURRENT, STATE), interval=ALWAYS, as_of=Instant(at), status=status)
    return await read.measurements(floor.scopes[reader], floor.pool, selection)


@pytest.mark.usefixtures("_samples")
class TestTheValueInForce:
    async def test_is_the_newest_at_or_before_the_time(self, floor: Floor) -> None:
        assert times(await as_of(floor, "sme-a", MONDAY + 4)) == []
        assert times(await as_of(floor, "sme-a", MONDAY + 5)) == [MONDAY + 5]
        assert times(await as_of(floor, "sme-a", MONDAY + 6)) == [MONDAY + 5]
        later = await as_of(floor, "sme-a", TUESDAY - 1)
        assert times(later) == [MONDAY + MINUTE, MONDAY + 7]
        assert column(later, "text") == [None, "milling"]
        assert [segment.owner for segment in later.segments] == ["sme-a", "sme-a"]
        assert [segment.interval.until for segment in later.segments] == [TUESDAY, TUESDAY]

    async def test_is_not_carried_over_a_hand_over(self, floor: Floor) -> None:
        for reader in ("sme-a", "sme-b", "lab"):
            assert times(await as_of(floor, reader, TUESDAY)) == []
        assert times(await as_of(floor, "sme-b", TUESDAY + 5)) == [TUESDAY + 5]
        assert times(await as_of(floor, "sme-a", TUESDAY + 5)) == []
        assert times(await as_of(floor, "lab", WEDNESDAY + 6)) == []

    async def test_may_be_asked_for_of_good_status_alone(self, floor: Floor) -> None:
        answer = await as_of(floor, "sme-a", TUESDAY - 1, status=StatusFilter.GOOD)
        assert times(answer) == [MONDAY + SECOND, MONDAY + 7]

    async def test_comes_by_agreement_and_never_under_a_floor(self, floor: Floor) -> None:
        await writing(floor)
        await pact(floor, resolution_floor=MINUTE, aggregates=tuple(Aggregate))
        asked = Selection(streams=(CURRENT,), interval=ALWAYS, as_of=Instant(TUESDAY - 1))
        assert times(await read.measurements(floor.scopes["outsider"], floor.pool, asked)) == []
        fine = await pact(floor)
        answer = await read.measurements(floor.scopes["outsider"], floor.pool, asked)
        assert times(answer) == [MONDAY + MINUTE]
        assert answer.segments[0].basis.agreement == fine.id


@pytest.mark.usefixtures("_samples")
class TestATrial:
    async def test_gives_its_streams_for_its_time(self, floor: Floor) -> None:
        await writing(floor)
        await pact(floor, owner="sme-b")
        asked = Selection(streams=StreamsOfTrial(trial="trial-of-sme-a"), interval=ALWAYS)
        answer = await read.measurements(floor.scopes["sme-a"], floor.pool, asked)
        assert [stream.reference for stream in answer.streams] == [CURRENT, STATE]
        assert [(s.interval.start, s.interval.until, s.trial) for s in answer.segments] == [
            (MONDAY, TUESDAY, "trial-of-sme-a")
        ] * 2
        assert times(answer) == [MONDAY + 5, MONDAY + SECOND, MONDAY + MINUTE, MONDAY + 7]

    @pytest.mark.parametrize("trial", ["trial-of-sme-a", "trial-of-sme-b", "no-such-trial"])
    async def test_that_is_hidden_is_missing(self, floor: Floor, trial: str) -> None:
        asked = Selection(streams=StreamsOfTrial(trial=trial), interval=ALWAYS)
        for reader in {"lab", "sme-a", "sme-b", "outsider"} - {trial.removeprefix("trial-of-")}:
            with pytest.raises(NotFound) as refused:
                await read.measurements(floor.scopes[reader], floor.pool, asked)
            assert str(refused.value).replace(trial, "…").startswith("There is no trial '…'; GET /v1/trials")

    async def test_comes_by_agreement_as_far_as_that_goes(self, floor: Floor) -> None:
        await writing(floor)
        await pact(floor)
        asked = Selection(streams=StreamsOfTrial(trial="trial-of-sme-a"), interval=ALWAYS)
        answer = await read.measurements(floor.scopes["outsider"], floor.pool, asked)
        assert [stream.reference for stream in answer.streams] == [CURRENT]
        assert len(times(answer)) == 3
