"""The access ledger: written with the decision, kept from change by the database, provable to whom it concerns."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest
from sqlalchemy import text

from fieldlab.errors import InvalidInput
from fieldlab.ownership.access import Access, AccessKind, End, EndKind, Leaf, Whose
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.merkle import leaf_hash, verify_consistency, verify_inclusion
from fieldlab.readings.instant import MINUTE, Instant
from fieldlab.storage import ledger, read, sealing
from fieldlab.storage.ledger import Proof
from fieldlab.storage.selection import Selection
from fieldlab.storage.transaction import changing
from tests.integration.ownership.decided import segments_of
from tests.integration.ownership.floor import CURRENT, JOINT, MONDAY, STATE, TUESDAY, Floor
from tests.integration.ownership.pact import pact, writing


async def noted(
    floor: Floor,
    who: str = "sme-a",
    streams: Sequence[str] = (CURRENT,),
    *,
    running: bool = False,
) -> Access:
    """Decide for a participant, and note that each segment had three rows."""
    segments = segments_of(floor, who, streams)
    access = Access(
        kind=AccessKind.MEASUREMENTS,
        segments=segments,
        rows=None if running else [3] * len(segments),
        question={"stream": [*streams]},
    )
    async with changing(floor.scopes[who], floor.engine) as bound:
        await ledger.note(bound, access)
    return access


async def seen(floor: Floor, who: str, whose: Whose | None = None) -> list[Leaf]:
    await sealing.seal(floor.engine)
    return [*await ledger.listed(floor.scopes[who], floor.engine, whose=whose)]


async def test_a_reader_sees_what_it_read_and_nobody_else_does(floor: Floor) -> None:
    made = await noted(floor, "sme-a", (CURRENT, STATE))
    (leaf,) = await seen(floor, "sme-a")
    assert leaf.own
    assert leaf.said["access"] == str(made.id)
    assert (leaf.said["participant"], leaf.said["principal"]) == ("sme-a", "somebody at sme-a")
    assert (leaf.said["kind"], leaf.said["outcome"], leaf.said["rows"]) == ("measurements", "answered", 6)
    assert leaf.said["question"] == {"stream": [CURRENT, STATE]}
    assert leaf.said["segments"] == [
        {
            "owner": "sme-a",
            "basis": "own",
            "from": str(MONDAY),
            "until": str(TUESDAY),
            "streams": [CURRENT, STATE],
            "rows": 6,
        }
    ]
    for other in ("sme-b", "outsider", "lab"):
        assert await seen(floor, other) == []


async def test_an_owner_sees_who_read_its_part_and_nothing_of_the_rest(floor: Floor) -> None:
    await writing(floor)
    agreement = await pact(floor, owner="sme-a", streams=(CURRENT,))
    other = await pact(floor, owner="sme-b", streams=(JOINT, CURRENT))
    made = await noted(floor, "outsider", (CURRENT, JOINT))
    (of_a,) = await seen(floor, "sme-a", Whose.OTHERS)
    (of_b,) = await seen(floor, "sme-b", Whose.OTHERS)
    (own,) = await seen(floor, "outsider", Whose.MINE)
    assert not of_a.own
    assert of_a.said["participant"] == "outsider"
    assert [(s["agreement"], s["streams"], s["rows"]) for s in of_a.said["segments"]] == [
        (str(agreement.id), [CURRENT], 3)
    ]
    assert {s["agreement"] for s in of_b.said["segments"]} == {str(other.id)}
    assert (of_a.said["rows"], of_b.said["rows"], own.said["rows"]) == (3, 6, 9)
    assert {leaf.said["access"] for leaf in (of_a, of_b, own)} == {str(made.id)}
    for leaf, hidden in ((of_a, "sme-b"), (of_a, JOINT), (of_a, "question"), (of_b, "sme-a")):
        assert hidden not in leaf.text
    assert {segment["owner"] for segment in own.said["segments"]} == {"sme-a", "sme-b"}
    assert await seen(floor, "lab") == []


async def test_an_answer_ends_once_and_says_how_much_had_left(floor: Floor) -> None:
    made = await noted(floor, "sme-a", running=True)
    assert await seen(floor, "sme-a") == []
    cut = End(access=made.id, kind=EndKind.CUT, rows=[41], reason="key.revoked")
    assert await sealing.end(floor.engine, [cut, End(access=made.id, rows=[99])]) == 1
    assert await sealing.end(floor.engine, [End(access=made.id, rows=[99])]) == 0
    (leaf,) = await seen(floor, "sme-a")
    assert (leaf.said["outcome"], leaf.said["reason"], leaf.said["rows"]) == ("cut", "key.revoked", 41)
    finished = await noted(floor, "sme-a")
    assert await sealing.end(floor.engine, [End(access=finished.id, rows=[0])]) == 0
    assert await sealing.end(floor.engine, [End(access=made.id, rows=[1, 2])]) == 0
    assert len(await seen(floor, "sme-a")) == 2


async def test_an_answer_that_runs_long_is_sealed_while_it_runs_and_again_at_its_end(floor: Floor) -> None:
    await writing(floor)
    await pact(floor, owner="sme-a", streams=(CURRENT,))
    made = await noted(floor, "outsider", running=True)
    impatient = "SELECT visible.seal_ledger(patience => interval '0')"
    floor_engine = floor.engine
    async with floor_engine.begin() as connection:
        assert await connection.scalar(text(impatient)) == 2
    (begun,) = await seen(floor, "sme-a", Whose.OTHERS)
    assert (begun.said["outcome"], "rows" in begun.said) == ("running", False)
    assert await sealing.end(floor.engine, [End(access=made.id, kind=EndKind.BROKEN, rows=[7])]) == 1
    ended, again = await seen(floor, "sme-a", Whose.OTHERS)
    assert again == begun
    assert (ended.said["outcome"], ended.said["rows"]) == ("broken", 7)
    assert ended.said["segments"][0]["rows"] == 7


async def test_nothing_is_sealed_of_a_transaction_that_did_not_commit(floor: Floor) -> None:
    async def broken_off() -> None:
        async with changing(floor.scopes["sme-a"], floor.engine) as bound:
            await ledger.note(bound, Access(kind=AccessKind.LATEST, segments=(), rows=()))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await broken_off()
    assert await seen(floor, "sme-a") == []
    assert (await ledger.checkpoint(floor.scopes["sme-a"], floor.engine)).size == 0


async def test_an_entry_that_commits_late_is_sealed_after_those_before_it(floor: Floor) -> None:
    """The order of leaves is that of sealing: an entry written early and committed late is not lost between."""
    late = Access(kind=AccessKind.LATEST, segments=(), rows=())
    async with changing(floor.scopes["sme-a"], floor.engine) as slow:
        await ledger.note(slow, late)
        early = await noted(floor, "sme-a")
        assert (await sealing.seal(floor.engine)).size == 1
    assert (await sealing.seal(floor.engine)).size == 2
    assert [leaf.said["access"] for leaf in await seen(floor, "sme-a")] == [str(late.id), str(early.id)]


async def test_readers_and_sealers_at_once_lose_and_repeat_nothing(floor: Floor) -> None:
    async def reader(number: int) -> list[str]:
        found = []
        for _ in range(5):
            found.append(str((await noted(floor, ("sme-a", "sme-b")[number % 2])).id))
            await sealing.seal(floor.engine)
        return found

    made = [access for some in await asyncio.gather(*map(reader, range(4))) for access in some]
    leaves = [leaf for who in ("sme-a", "sme-b") for leaf in await seen(floor, who)]
    assert sorted(leaf.said["access"] for leaf in leaves) == sorted(made)
    assert sorted(leaf.index for leaf in leaves) == list(range(len(made)))


async def test_a_leaf_can_be_proved_to_be_in_the_log(floor: Floor) -> None:
    for _ in range(5):
        await noted(floor, "sme-a")
        await noted(floor, "sme-b")
    leaves = await seen(floor, "sme-a")
    newest = await ledger.checkpoint(floor.scopes["sme-a"], floor.engine)
    for leaf in leaves:
        proof = await ledger.prove_inclusion(floor.scopes["sme-a"], floor.engine, leaf.index)
        assert proof.checkpoint == newest
        assert proof.leaf == leaf.hash == leaf_hash(leaf.text.encode()).hex()
        assert shows_inclusion(proof, leaf.text, leaf.index)
        assert not shows_inclusion(proof, leaf.text.replace("sme-a", "sme-b"), leaf.index)
        assert not shows_inclusion(proof, leaf.text, leaf.index + 1)


def shows_inclusion(proof: Proof, text: str, index: int) -> bool:
    return verify_inclusion(
        leaf_hash(text.encode()),
        index=index,
        size=proof.checkpoint.size,
        proof=[bytes.fromhex(one) for one in proof.hashes],
        root=bytes.fromhex(proof.checkpoint.root),
    )


async def test_an_old_checkpoint_can_be_proved_to_be_the_beginning_of_the_log(floor: Floor) -> None:
    kept = []
    for _ in range(7):
        kept.append(await ledger.checkpoint(floor.scopes["sme-a"], floor.engine))
        await noted(floor, "sme-a")
        await sealing.seal(floor.engine)
    assert [one.size for one in kept] == list(range(7))
    for old in kept:
        proof = await ledger.prove_consistency(floor.scopes["outsider"], floor.engine, old.size)
        assert proof.earlier == old
        for root, holds in ((old.root, True), ("00" * 32, False)):
            assert holds == verify_consistency(
                earlier=old.size,
                later=proof.checkpoint.size,
                proof=[bytes.fromhex(one) for one in proof.hashes],
                earlier_root=bytes.fromhex(root),
                later_root=bytes.fromhex(proof.checkpoint.root),
            )
    with pytest.raises(InvalidInput, match="7 entries"):
        await ledger.prove_consistency(floor.scopes["outsider"], floor.engine, 3, size=8)
    with pytest.raises(InvalidInput, match="no entry 7"):
        await ledger.prove_inclusion(floor.scopes["outsider"], floor.engine, 7)


TABLES = ("access", "access_end", "ledger_leaf", "ledger_node", "ledger_checkpoint", "ledger_waiting")


@pytest.mark.parametrize("role", ["postgres", "fieldlab_owner", "fieldlab_gateway", "fieldlab_api"])
async def test_no_role_edits_the_ledger(floor: Floor, role: str) -> None:
    made = await noted(floor, "sme-a", running=True)
    await sealing.end(floor.engine, [End(access=made.id, rows=[1])])
    await sealing.seal(floor.engine)
    await noted(floor, "sme-a")
    with psycopg.connect(floor.database.admin, autocommit=True) as admin:
        admin.execute(f"SET ROLE {role}".encode())
        for table in TABLES:
            column = {"ledger_node": "hash", "ledger_checkpoint": "root"}.get(table, "at")
            column = "by_id" if table == "ledger_waiting" else column
            for statement in (
                f"UPDATE fieldlab.{table} SET {column} = {column}",
                f"DELETE FROM fieldlab.{table}",
                f"TRUNCATE fieldlab.{table} CASCADE",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege), admin.transaction():
                    admin.execute(statement.encode())


async def test_an_entry_is_in_the_name_of_the_bound_participant_alone(floor: Floor) -> None:
    note = "SELECT visible.note_access(gen_random_uuid(), 'live', '{}', NULL, '{}', '{}', '{}', '{}', NULL, '{}')"
    with (
        psycopg.connect(floor.database.api) as stranger,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        stranger.execute(note)
    with floor.bound("sme-b") as reader:
        reader.execute(note)
    (leaf,) = await seen(floor, "sme-b")
    assert leaf.said["participant"] == "sme-b"
    with floor.bound("sme-b") as forger, pytest.raises(psycopg.errors.CheckViolation):
        forger.execute(
            "SELECT visible.note_access(gen_random_uuid(), 'live', '{}', NULL, '{1}', '{999999}', '{now}', "
            "'{infinity}', NULL, '{1}')"
        )


async def test_a_read_is_noted_with_the_segments_it_was_cut_to(floor: Floor) -> None:
    floor.store(CURRENT, [(Instant(MONDAY + number * MINUTE), 1.0) for number in range(5)])
    hour = Interval(start=Instant(MONDAY + 10), until=Instant(MONDAY + 60 * MINUTE))
    asked = Selection(streams=(CURRENT,), interval=hour, limit=3)
    answer = await read.measurements(floor.scopes["sme-a"], floor.pool, asked)
    assert answer.access is not None
    await sealing.end(floor.engine, [End(access=answer.access.id, rows=[len(answer.rows)])])
    (leaf,) = await seen(floor, "sme-a")
    assert (leaf.said["kind"], leaf.said["rows"]) == ("measurements", 3)
    assert [(s["from"], s["until"]) for s in leaf.said["segments"]] == [(str(hour.start), str(hour.until))]
