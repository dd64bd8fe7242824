"""What both ends know of a subscription; it outlasts the session that made it, and can be moved to the next; pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.opcua.wanted import Standing

_LAST_SEQUENCE: Final = 2**32 - 1
_HALF: Final = 2**31


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """What a new secure channel needs to take a session over (OPC 10000-4, 6.7)."""

    token: Any = field(repr=False)
    nonce: Any = field(repr=False)
    policies: Any
    certificate: bytes | None = field(repr=False)


@dataclass(kw_only=True, slots=True)
class Subscription:
    """A subscription at the server.

    `silence` is how many seconds it may say nothing before it counts as lost; `interval` how many microseconds a value
    may wait at the server before it is sent; `expected` the number of its next answer;
    `safe` numbers the answers to be acknowledged; `key` opens the session it belongs to; `continued` tells that a
    session broke off since it was made, `heard` that it said something in this one.
    """

    id: int
    silence: float
    interval: int
    standing: Standing = field(default_factory=Standing)
    expected: int | None = None
    safe: list[int] = field(default_factory=list)
    key: Key | None = None
    continued: bool = False
    heard: bool = False
    _unsafe: set[int] = field(default_factory=set)

    def take(self, sequence: int) -> None:
        """Note that an answer arrived, and is not safe yet."""
        self._unsafe.add(sequence)

    def acknowledge(self, sequence: int) -> None:
        """Let the server forget an answer: it goes out with the next request."""
        self._unsafe.discard(sequence)
        self.safe.append(sequence)

    def is_ahead(self, sequence: int) -> bool:
        """Tell whether a sign of life, which bears the number of the next answer, says that some did not arrive.

        (OPC 10000-4, 5.14.1.1)
        """
        return self.expected is not None and 0 < missing(self.expected, sequence) < _HALF

    def go_on(self) -> None:
        """Begin with a new session."""
        self.continued, self.heard = True, False

    def still_there(self, available: Iterable[int]) -> None:
        """Note which answers the server still keeps: those that are safe are acknowledged once more."""
        if self.expected is not None:
            behind = [number for number in available if missing(self.expected, number) >= _HALF]
            self.safe = [number for number in behind if number not in self._unsafe]


def following(sequence: int) -> int:
    """Count on, from the largest number to 1 (OPC 10000-4, 7.8)."""
    return 1 if sequence >= _LAST_SEQUENCE else sequence + 1


def missing(expected: int, sequence: int) -> int:
    """Count the answers between the one expected and the one that came."""
    return (sequence - expected) % _LAST_SEQUENCE
