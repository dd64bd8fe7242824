"""One's own newest values come in one statement, which notes itself; it gives nothing of anything else."""

from uuid import uuid4

import psycopg
import pytest

from fieldlab.errors import NotFound
from fieldlab.ownership.access import AccessKind, Leaf
from fieldlab.readings.instant import MINUTE, Instant
from fieldlab.storage import ledger, read, sealing
from tests.integration.ownership.floor import CURRENT, JOINT, MONDAY, STATE, Floor
from tests.integration.ownership.pact import pact, writing

OWN = """
    SELECT * FROM visible.own_latest(%(presented)s, '{}', ARRAY[split_part(%(stream)s, '.', 1)],
                                     ARRAY[split_part(%(stream)s, '.', 2)], NULL)
"""


@pytest.fixture
def measured(floor: Floor) -> Floor:
    """A number and a text of sme-a's time on the mill, the number measured twice."""
    floor.store(CURRENT, [(MONDAY, 3.5), (Instant(MONDAY + MINUTE), 4.0)])
    floor.store(STATE, [(MONDAY, "running")])
    return floor


async def leaves(floor: Floor, who: str) -> list[Leaf]:
    await sealing.seal(floor.engine)
    return [*await ledger.listed(floor.scopes[who], floor.engine)]


async def test_the_entry_of_ones_own_newest_values_tells_their_rows_at_once(measured: Floor) -> None:
    answer = await read.latest(measured.scopes["sme-a"], measured.pool, (STATE, CURRENT))
    assert [stream.reference for stream in answer.streams] == [STATE, CURRENT]
    assert answer.access is None
    (leaf,) = await leaves(measured, "sme-a")
    assert (leaf.said["kind"], leaf.said["outcome"]) == (AccessKind.LATEST, "answered")
    assert leaf.said["rows"] == len(answer.samples) == 2
    assert sorted(leaf.said["question"]["streams"]) == sorted([STATE, CURRENT])


async def test_rows_come_in_the_order_asked_each_a_segment_of_its_own(measured: Floor) -> None:
    answer = await read.latest(measured.scopes["sme-a"], measured.pool, (STATE, CURRENT))
    keys = [stream.key for stream in answer.streams]
    assert [segment.stream for segment in answer.segments] == [
        key for key in keys if key in {segment.stream for segment in answer.segments}
    ]
    assert [segment.number for segment in answer.segments] == list(range(len(answer.samples)))


async def test_a_stream_asked_twice_is_answered_and_noted_once(measured: Floor) -> None:
    (stream,) = (await read.latest(measured.scopes["sme-a"], measured.pool, (CURRENT,))).streams
    answer = await read.latest(measured.scopes["sme-a"], measured.pool, (CURRENT, str(stream.id)))
    assert [one.key for one in answer.streams] == [stream.key]


async def test_what_is_hidden_is_not_there_and_nothing_is_noted(measured: Floor) -> None:
    for asked in ((JOINT,), (CURRENT, JOINT), (CURRENT, "nothing"), (CURRENT, str(uuid4()))):
        with pytest.raises(NotFound):
            await read.latest(measured.scopes["sme-a"], measured.pool, asked)
    assert await leaves(measured, "sme-a") == []


async def test_the_statement_gives_and_notes_nothing_for_anybody_else(measured: Floor) -> None:
    with psycopg.connect(measured.database.api, autocommit=True) as attacker:
        for presented, stream in ((b"nobody", CURRENT), (measured.scopes["sme-a"].credential.digest, JOINT)):
            asked = {"presented": presented, "stream": stream}
            assert attacker.execute(OWN, asked).fetchall() == []
    assert await leaves(measured, "sme-a") == []


async def test_what_an_agreement_opens_is_not_read_as_ones_own(measured: Floor) -> None:
    await writing(measured)
    await pact(measured)
    with psycopg.connect(measured.database.api, autocommit=True) as attacker:
        asked = {"presented": measured.scopes["outsider"].credential.digest, "stream": CURRENT}
        assert attacker.execute(OWN, asked).fetchall() == []
    answer = await read.latest(measured.scopes["outsider"], measured.pool, (CURRENT,))
    assert answer.access is not None
    assert len(answer.samples) == 1
