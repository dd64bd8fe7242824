"""The tree of RFC 9162: roots and proofs as the standard has them, and as another maker computes them."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from fieldlab.errors import InvalidInput
from fieldlab.ownership.merkle import (
    EMPTY,
    Node,
    Tree,
    consistency,
    cover,
    fold,
    folded,
    inclusion,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

REFERENCE = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The log of the reference implementation of Certificate Transparency."""


def grown(entries: list[bytes]) -> tuple[dict[Node, bytes], list[bytes]]:
    tree = Tree()
    known: dict[Node, bytes] = {}
    roots = [tree.root()]
    for entry in entries:
        known.update(tree.add(leaf_hash(entry)))
        roots.append(tree.root())
    return known, roots


def test_roots_are_those_of_certificate_transparency() -> None:
    known, roots = grown([bytes.fromhex(entry) for entry in REFERENCE])
    assert [root.hex() for root in roots] == [sha256(b"").hexdigest(), *ROOTS]
    assert [fold([known[node] for node in cover(0, size)]) for size in range(9)] == roots


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 32, 33])
def test_roots_and_proofs_are_those_of_another_maker(size: int) -> None:
    entries = [b"%d" % number for number in range(size)]
    known, roots = grown(entries)
    theirs = InmemoryTree(algorithm="sha256")
    theirs.append_entries(entries)
    assert [theirs.get_root(part) for part in range(1, size + 1)] == roots[1:]
    for index in range(size):
        ours = set(folded(inclusion(index, size), known))
        path = set(theirs.prove_inclusion(index + 1, size).path)
        assert path - ours <= {leaf_hash(entries[index])}
        assert ours <= path


@given(st.data())
def test_what_is_in_the_log_can_be_proved_and_nothing_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    entries = [b"%d" % number for number in range(size)]
    known, roots = grown(entries)
    proof = list(folded(inclusion(index, size), known))
    leaf = leaf_hash(entries[index])
    assert verify_inclusion(leaf, index=index, size=size, proof=proof, root=roots[size])
    assert not verify_inclusion(leaf_hash(b"another"), index=index, size=size, proof=proof, root=roots[size])
    assert not verify_inclusion(leaf, index=index, size=size, proof=proof, root=roots[size - 1])
    assert not verify_inclusion(leaf, index=size, size=size, proof=proof, root=roots[size])
    assert not verify_inclusion(leaf, index=index, size=size, proof=[*proof, leaf], root=roots[size])
    if proof:
        assert not verify_inclusion(leaf, index=index, size=size, proof=proof[:-1], root=roots[size])
        assert not verify_inclusion(leaf, index=index ^ 1, size=size, proof=proof, root=roots[size])


@given(st.data())
def test_a_log_that_only_grew_can_be_proved_and_no_other(data: st.DataObject) -> None:
    later = data.draw(st.integers(0, 70))
    earlier = data.draw(st.integers(0, later))
    entries = [b"%d" % number for number in range(later)]
    known, roots = grown(entries)
    proof = list(folded(consistency(earlier, later), known))

    def holds(earlier_root: bytes, later_root: bytes, hashes: list[bytes]) -> bool:
        return verify_consistency(
            earlier=earlier, later=later, proof=hashes, earlier_root=earlier_root, later_root=later_root
        )

    assert holds(roots[earlier], roots[later], proof)
    assert not holds(leaf_hash(b"another"), roots[later], proof)
    assert not holds(roots[earlier], roots[later], [*proof, EMPTY])
    if 0 < earlier < later:
        assert not holds(roots[earlier], leaf_hash(b"another"), proof)
        swapped = [*entries]
        swapped[0], swapped[earlier] = swapped[earlier], swapped[0]
        _, forged = grown(swapped)
        assert not holds(roots[earlier], forged[later], proof)


def test_nothing_is_proved_of_what_is_not_there() -> None:
    with pytest.raises(InvalidInput, match="no entry 3"):
        inclusion(3, 3)
    with pytest.raises(InvalidInput, match="does not come before"):
        consistency(4, 3)
    assert not verify_consistency(earlier=1, later=3, proof=[], earlier_root=EMPTY, later_root=EMPTY)
