"""Who read what, in a notebook: the client computes the proofs itself, and finds what was changed."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.ownership.merkle import EMPTY, Node, Tree, consistency, folded, inclusion, leaf_hash
from fieldlab_client import Access, Checkpoint, FieldlabClientError, LedgerChanged
from fieldlab_client import merkle as of_client
from fieldlab_client.ledger import Ledger
from tests.integration.api.lab import CURRENT
from tests.integration.api.test_agreements import agree
from tests.integration.client.conftest import Notebooks


async def read_by_the_researcher(notebooks: Notebooks, times: int = 1) -> str:
    id_ = await agree(notebooks.floor)
    for _ in range(times):
        await asyncio.to_thread(notebooks["researcher"].streams(CURRENT).read)
    return id_


async def test_an_owner_sees_who_read_its_data_as_a_frame(notebooks: Notebooks) -> None:
    id_ = await read_by_the_researcher(notebooks, 2)
    ledger = notebooks["sme-a"].ledger()
    accesses = await asyncio.to_thread(ledger.accesses("others").frame)
    served = accesses[accesses["kind"] == "measurements"]
    assert served["participant"].tolist() == ["researcher"] * 2
    assert served["streams"].tolist() == [[CURRENT]] * 2
    assert served["owners"].tolist() == [["sme-a"]] * 2
    assert served["agreements"].tolist() == [[id_]] * 2
    assert served["rows"].tolist() == [361, 361]
    assert str(served["at"].dtype).endswith("UTC]")
    assert not accesses["own"].any()
    assert (await asyncio.to_thread(ledger.accesses("mine").frame)).empty
    same = await asyncio.to_thread(ledger.accesses().polars)
    assert same["index"].to_list() == accesses["index"].tolist()


async def test_proofs_hold_and_checkpoints_come_with_measurements(notebooks: Notebooks) -> None:
    await read_by_the_researcher(notebooks, 3)
    ledger = notebooks["sme-a"].ledger()
    entries = await asyncio.to_thread(list, ledger.accesses())
    assert len(entries) >= 3
    kept = await asyncio.to_thread(ledger.checkpoint)
    for entry in entries:
        assert await asyncio.to_thread(ledger.prove, entry, kept) == kept
    measured = await asyncio.to_thread(notebooks["researcher"].streams(CURRENT).read)
    assert measured.checkpoint is not None
    assert Checkpoint.parse(str(kept)) == kept
    assert Checkpoint.parse(measured.frame().attrs["checkpoint"]) == measured.checkpoint
    await asyncio.to_thread(list, ledger.accesses())
    newest = await asyncio.to_thread(ledger.check, kept)
    assert newest.size >= kept.size
    assert (await asyncio.to_thread(ledger.check, measured.checkpoint)).size >= measured.checkpoint.size


async def test_what_was_changed_is_found(notebooks: Notebooks) -> None:
    await read_by_the_researcher(notebooks, 3)
    ledger = notebooks["sme-a"].ledger()
    entries: list[Access] = await asyncio.to_thread(list, ledger.accesses())
    kept = await asyncio.to_thread(ledger.checkpoint)
    entry = entries[0]
    forged = entry.text.replace("researcher", "sme-b")
    wrong = [
        replace(entry, text=forged),
        replace(entry, entry={**entry.entry, "participant": "sme-b"}),
        replace(entry, index=entries[1].index),
    ]
    for one in wrong:
        with pytest.raises(LedgerChanged, match="does not stand in the ledger"):
            await asyncio.to_thread(ledger.prove, one, kept)
    for size in range(1, kept.size + 1):
        with pytest.raises(LedgerChanged, match="not those that you were shown"):
            await asyncio.to_thread(ledger.check, Checkpoint(size=size, root="00" * 32))
    with pytest.raises(LedgerChanged, match="some were removed"):
        await asyncio.to_thread(ledger.check, replace(kept, size=kept.size + 1000))
    with pytest.raises(FieldlabClientError, match="younger than that checkpoint"):
        await asyncio.to_thread(ledger.prove, entries[0], replace(kept, size=entries[0].index))


@pytest.mark.parametrize("line", ["", "12", "x " + "0" * 64, "1 abc"])
def test_what_is_no_checkpoint_is_told_so(line: str) -> None:
    with pytest.raises(FieldlabClientError, match="is no checkpoint"):
        Checkpoint.parse(line)


@given(st.integers(1, 70), st.data())
def test_the_client_s_proofs_are_those_of_the_standard(size: int, data: st.DataObject) -> None:
    tree, known, roots = Tree(), dict[Node, bytes](), [EMPTY]
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    for leaf in leaves:
        known.update(tree.add(leaf))
        roots.append(tree.root())
    index = data.draw(st.integers(0, size - 1))
    proof = folded(inclusion(index, size), known)
    assert of_client.root_over(leaves[index], index, size, proof) == roots[size]
    other = data.draw(st.integers(0, size - 1))
    if other != index:
        assert of_client.root_over(leaves[index], other, size, proof) != roots[size]
    earlier = data.draw(st.integers(0, size))
    grown = folded(consistency(earlier, size), known)
    assert of_client.grew(earlier, size, grown, roots[earlier], roots[size])
    assert not of_client.grew(earlier, size, grown, leaf_hash(b"other"), roots[size])
    assert not of_client.grew(earlier, size, [*grown, EMPTY], roots[earlier], roots[size])


def test_a_ledger_asks_nothing_before_one_looks(notebooks: Notebooks) -> None:
    assert isinstance(notebooks["sme-a"].ledger(), Ledger)
