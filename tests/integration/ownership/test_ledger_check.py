"""Whoever has kept a checkpoint finds out what the ledger's own administrator has done to it."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from cli.main import app
from fieldlab.ownership.access import Access, AccessKind, Checkpoint
from fieldlab.ownership.merkle import Tree, leaf_hash
from fieldlab.storage import ledger, sealing
from fieldlab.storage.database import open_engine
from fieldlab.storage.ledger_check import LedgerReport, verify
from fieldlab.storage.transaction import changing
from tests.integration.ownership.floor import Floor

TABLES = ("access", "access_end", "ledger_waiting", "ledger_leaf", "ledger_node", "ledger_checkpoint")
MAKE_OLD = """
    UPDATE fieldlab.ledger_leaf SET at = at - interval '3 years';
    UPDATE fieldlab.access SET at = at - interval '3 years';
    UPDATE fieldlab.ledger_checkpoint SET at = at - interval '3 years'
"""


async def filled(floor: Floor, entries: int = 9) -> Checkpoint:
    """Write entries of two readers, and give a checkpoint of all of them."""
    for number in range(entries):
        async with changing(floor.scopes[("sme-a", "sme-b")[number % 2]], floor.engine) as bound:
            await ledger.note(bound, Access(kind=AccessKind.LATEST, segments=(), rows=(), question={"number": number}))
        await sealing.seal(floor.engine)
    return await sealing.seal(floor.engine)


@pytest.fixture
def attacker(floor: Floor) -> Iterator[psycopg.Connection]:
    """An administrator of the database who has put every guard away."""
    with psycopg.connect(floor.database.admin, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(f"ALTER TABLE fieldlab.{table} DISABLE TRIGGER ALL".encode())
        yield connection


def forge(attacker: psycopg.Connection) -> None:
    """Make every hash and checkpoint anew, so that the database agrees with itself."""
    rows = attacker.execute("SELECT text FROM fieldlab.ledger_leaf ORDER BY index").fetchall()
    attacker.execute("DELETE FROM fieldlab.ledger_node")
    attacker.execute("DELETE FROM fieldlab.ledger_checkpoint WHERE size > %s", [len(rows)])
    tree = Tree()
    for (text,) in rows:
        for node, hash_ in tree.add(leaf_hash(text.encode())):
            attacker.execute("INSERT INTO fieldlab.ledger_node VALUES (%s, %s, %s)", [*node, hash_])
        attacker.execute("UPDATE fieldlab.ledger_checkpoint SET root = %s WHERE size = %s", [tree.root(), tree.size])


def checked(floor: Floor, *kept: Checkpoint) -> LedgerReport:
    engine = open_engine(floor.database.admin, name="tests")
    try:
        with engine.begin() as connection:
            return verify(connection, kept)
    finally:
        engine.dispose()


async def test_an_untouched_ledger_agrees_with_every_checkpoint_there_was(floor: Floor) -> None:
    first = await filled(floor, 3)
    last = await filled(floor, 4)
    report = checked(floor, Checkpoint(size=0, root=Tree().root().hex()), first, last)
    assert (report.faults, report.checkpoint, report.forgotten) == ((), last, 0)
    assert last.size == 7


EDIT = "UPDATE fieldlab.ledger_leaf SET text = replace(text, 'sme-a', 'sme-b') WHERE index = 4"
CUT = """
    DELETE FROM fieldlab.access AS a USING fieldlab.ledger_leaf AS l WHERE l.access_id = a.id AND l.index >= 6;
    DELETE FROM fieldlab.ledger_leaf WHERE index >= 6;
    DELETE FROM fieldlab.ledger_checkpoint WHERE size > 6
"""
SWAP = """
    UPDATE fieldlab.ledger_leaf SET index = index + 1000 WHERE index IN (2, 5);
    UPDATE fieldlab.ledger_leaf SET index = 1007 - index WHERE index > 100
"""
REMOVE = """
    DELETE FROM fieldlab.access AS a USING fieldlab.ledger_leaf AS l WHERE l.access_id = a.id AND l.index = 3;
    DELETE FROM fieldlab.ledger_leaf WHERE index = 3;
    UPDATE fieldlab.ledger_leaf SET index = index + 1000 WHERE index > 3;
    UPDATE fieldlab.ledger_leaf SET index = index - 1001 WHERE index > 1000;
    DELETE FROM fieldlab.ledger_checkpoint WHERE size = (SELECT max(size) FROM fieldlab.ledger_checkpoint)
"""


@pytest.mark.parametrize(
    ("attack", "told"),
    [(EDIT, "edited"), (CUT, "cut short|gone"), (SWAP, "re-ordered|edited"), (REMOVE, "removed|cut short")],
    ids=["edited", "cut short", "re-ordered", "removed"],
)
@pytest.mark.parametrize("forged", [False, True], ids=["carelessly", "with every hash made anew"])
async def test_what_was_done_to_the_ledger_is_found_by_an_old_checkpoint(
    floor: Floor, attacker: psycopg.Connection, attack: str, told: str, *, forged: bool
) -> None:
    kept = await filled(floor)
    attacker.execute(attack.encode())
    if forged:
        forge(attacker)
    report = checked(floor, kept)
    assert any(fault for fault in report.faults if any(word in fault for word in told.split("|"))), report.faults
    assert not any("sme-" in fault for fault in report.faults)


async def test_a_careless_change_is_found_without_a_checkpoint(floor: Floor, attacker: psycopg.Connection) -> None:
    await filled(floor)
    for attack in (
        "UPDATE fieldlab.access SET principal = 'somebody else' WHERE question @> '{\"number\": 1}'",
        "UPDATE fieldlab.ledger_node SET hash = '\\x00' WHERE level = 2 AND index = 0",
        "DELETE FROM fieldlab.ledger_node WHERE level = 0 AND index = 4",
        "UPDATE fieldlab.ledger_checkpoint SET root = '\\x00' WHERE size = 2",
    ):
        before = checked(floor).faults
        attacker.execute(attack.encode())
        assert len(checked(floor).faults) > len(before), attack


async def test_two_checkpoints_of_one_size_that_differ_show_a_split_view(
    floor: Floor, attacker: psycopg.Connection
) -> None:
    """One reader keeps what it was shown; then the ledger is made anew for another, which keeps its own."""
    first = await filled(floor)
    attacker.execute(EDIT.encode())
    forge(attacker)
    second = await ledger.checkpoint(floor.scopes["sme-b"], floor.engine)
    assert (second.size, second.root == first.root) == (first.size, False)
    assert any("shown to different readers" in fault for fault in checked(floor, first, second).faults)
    assert not any("shown to different readers" in fault for fault in checked(floor, second, second).faults)


async def test_an_access_that_was_undone_leaves_a_gap_in_the_numbers(
    floor: Floor, attacker: psycopg.Connection
) -> None:
    await filled(floor, 2)
    with floor.bound("sme-a") as thief:
        floor.note(thief)
        thief.rollback()
    await filled(floor, 1)
    attacker.execute("UPDATE fieldlab.access SET at = at - interval '5 minutes'")
    assert checked(floor).undone == 1
    attacker.execute("UPDATE fieldlab.access SET at = now()")
    assert checked(floor).undone == 0


async def test_the_command_tells_of_changes_by_its_exit_status(
    floor: Floor, attacker: psycopg.Connection, tmp_path: Path
) -> None:
    kept = await filled(floor)
    file = tmp_path / "answer.json"
    file.write_text(json.dumps({"rows": [], "checkpoint": {"size": kept.size, "root": kept.root}}))
    arguments = ["ledger", "verify", "--checkpoint", str(file), "--admin-database-url", floor.database.admin]
    good = CliRunner().invoke(app, arguments)
    assert (good.exit_code, json.loads(good.stdout.splitlines()[-1])) == (0, {"size": 9, "root": kept.root})
    assert "begin with those of your checkpoint" in good.stdout
    attacker.execute(EDIT.encode())
    forge(attacker)
    bad = CliRunner().invoke(app, arguments)
    assert bad.exit_code == 1
    assert "CHANGED: The first 9 entries are not those of your checkpoint" in bad.stderr
    file.write_text("{}")
    assert "holds no checkpoint" in str(CliRunner().invoke(app, arguments).exception)


async def test_old_entries_are_forgotten_and_proofs_hold(floor: Floor, attacker: psycopg.Connection) -> None:
    await filled(floor, 3)
    attacker.execute(MAKE_OLD.encode())
    for table in TABLES:
        attacker.execute(f"ALTER TABLE fieldlab.{table} ENABLE TRIGGER ALL".encode())
    kept = await filled(floor, 2)
    runner = CliRunner()
    arguments = ["ledger", "forget", "--years", "2", "--admin-database-url", floor.database.admin]
    assert runner.invoke(app, arguments).stdout == "3 entries forgotten; their hashes stay.\n"
    assert runner.invoke(app, arguments).stdout == "0 entries forgotten; their hashes stay.\n"
    report = checked(floor, kept)
    assert (report.faults, report.forgotten, report.waiting) == ((), 3, 1)
    await sealing.seal(floor.engine)
    (said, *rest) = await ledger.listed(floor.scopes["outsider"], floor.engine)
    assert (said.said["kind"], said.said["entries"], rest) == ("forgotten", 3, [])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attacker.execute("DELETE FROM fieldlab.ledger_leaf")
