"""The proofs of a Merkle tree (RFC 9162, section 2.1). Pure."""

from collections.abc import Sequence
from hashlib import sha256


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry as a leaf."""
    return sha256(b"\x00" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root_over(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Give the root that a leaf at its place leads to (RFC 9162, 2.1.3.2); None where the proof does not fit."""
    place, last, made = index, size - 1, leaf
    for hash_ in proof:
        if last == 0:
            return None
        if place & 1 or place == last:
            made = _node(hash_, made)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            made = _node(made, hash_)
        place, last = place >> 1, last >> 1
    return made if last == 0 else None


def grew(earlier: int, later: int, proof: Sequence[bytes], earlier_root: bytes, later_root: bytes) -> bool:
    """Tell whether a later tree only added to an earlier one (RFC 9162, 2.1.4.2)."""
    if earlier == 0:
        return earlier_root == sha256(b"").digest() and not proof
    if earlier == later:
        return earlier_root == later_root and not proof
    path = [*proof] if earlier & (earlier - 1) else [earlier_root, *proof]
    place, last = earlier - 1, later - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    if not path:
        return False
    old = new = path[0]
    for hash_ in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = _node(hash_, old), _node(hash_, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = _node(new, hash_)
        place, last = place >> 1, last >> 1
    return last == 0 and old == earlier_root and new == later_root
