"""The Merkle tree of RFC 9162, section 2.1: which hashes prove what, and whether a proof holds. Pure.

A leaf's hash is SHA-256(0x00 ‖ entry), a node's SHA-256(0x01 ‖ left ‖ right). A tree of n leaves is split at the
largest power of two below n. What is stored are the hashes of whole subtrees; all others are folded from those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple

from fieldlab.errors import InvalidInput

EMPTY: Final = sha256(b"").digest()
"""The root of a tree without leaves."""


class Node(NamedTuple):
    """A whole subtree: that of the leaves `[place · 2^level, (place + 1) · 2^level)`."""

    level: int
    place: int


Cover = tuple[Node, ...]
"""Whole subtrees side by side, largest first, whose hashes fold to that of the leaves which they cover."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry as a leaf."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees as one."""
    return sha256(b"\x01" + left + right).digest()


def cover(start: int, until: int) -> Cover:
    """Give the whole subtrees that make the tree of leaves `[start, until)`, as a tree is split."""
    found: list[Node] = []
    while start < until:
        level = (until - start).bit_length() - 1
        found.append(Node(level, start >> level))
        start += 1 << level
    return tuple(found)


def fold(hashes: Sequence[bytes]) -> bytes:
    """Give the hash of what a cover covers, from the hashes of its subtrees."""
    if not hashes:
        return EMPTY
    folded = hashes[-1]
    for left in reversed(hashes[:-1]):
        folded = node_hash(left, folded)
    return folded


def folded(covers: Sequence[Cover], known: Mapping[Node, bytes]) -> tuple[bytes, ...]:
    """Give the hash of each cover, from those of its subtrees."""
    return tuple(fold([known[node] for node in one]) for one in covers)


def inclusion(index: int, size: int) -> tuple[Cover, ...]:
    """Give what proves that a leaf is in the tree of the first `size` (RFC 9162, 2.1.3.1).

    Raises InvalidInput for a leaf that is not in it.
    """
    if not 0 <= index < size:
        raise InvalidInput(f"There is no entry {index} among the first {size}; the checkpoint says how many there are.")
    path: list[Cover] = []
    start, until = 0, size
    while until - start > 1:
        middle = start + _split(until - start)
        if index < middle:
            path.append(cover(middle, until))
            until = middle
        else:
            path.append(cover(start, middle))
            start = middle
    return tuple(reversed(path))


def consistency(earlier: int, later: int) -> tuple[Cover, ...]:
    """Give what proves that the first `earlier` leaves are those of the tree of `later` (RFC 9162, 2.1.4.1).

    Raises InvalidInput for sizes out of order.
    """
    if not 0 <= earlier <= later:
        raise InvalidInput(f"A log of {earlier} entries does not come before one of {later}.")
    path: list[Cover] = []
    start, until, whole = 0, later, True
    while start < earlier < until:
        middle = start + _split(until - start)
        if earlier <= middle:
            path.append(cover(middle, until))
            until = middle
        else:
            path.append(cover(start, middle))
            start, whole = middle, False
    if not whole and start < until:
        path.append(cover(start, until))
    return tuple(reversed(path)) if earlier else ()


def verify_inclusion(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a proof shows a leaf's hash at its place in the tree of a root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, made = index, size - 1, leaf
    for hash_ in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            made = node_hash(hash_, made)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            made = node_hash(made, hash_)
        place, last = place >> 1, last >> 1
    return last == 0 and made == root


def verify_consistency(
    *, earlier: int, later: int, proof: Sequence[bytes], earlier_root: bytes, later_root: bytes
) -> bool:
    """Tell whether a proof shows that a later tree only added to an earlier one (RFC 9162, 2.1.4.2)."""
    if not 0 < earlier < later:
        same = earlier_root == later_root if earlier == later else earlier == 0 and earlier_root == EMPTY
        return same and not proof
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
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, hash_)
        place, last = place >> 1, last >> 1
    return last == 0 and old == earlier_root and new == later_root


@dataclass(kw_only=True, slots=True)
class Tree:
    """Grows leaf by leaf in logarithmic memory; `size` is the number of leaves so far."""

    size: int = 0
    _peaks: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, leaf: bytes) -> tuple[tuple[Node, bytes], ...]:
        """Add a leaf's hash; gives each whole subtree that it completes, itself first."""
        made = [(Node(0, self.size), leaf)]
        hash_, level = leaf, 0
        while self._peaks and self._peaks[-1][0] == level:
            hash_ = node_hash(self._peaks.pop()[1], hash_)
            level += 1
            made.append((Node(level, self.size >> level), hash_))
        self._peaks.append((level, hash_))
        self.size += 1
        return tuple(made)

    def root(self) -> bytes:
        """Give the root of the leaves so far."""
        return fold([hash_ for _, hash_ in self._peaks])


def _split(leaves: int) -> int:
    """Give the largest power of two below a number of leaves."""
    return 1 << ((leaves - 1).bit_length() - 1)
