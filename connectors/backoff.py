"""How long to wait before the next try at a server that cannot be reached."""

import random
from dataclasses import dataclass, field
from typing import Final

_GROWTH: Final = 2.0
_SETTLED: Final = 10.0
"""Seconds after which a connection counts as a success."""


@dataclass(kw_only=True, slots=True)
class Backoff:
    """Waits that double from `shortest` to `longest` seconds, each spread by chance over its upper half.

    The spread keeps the gateways of a lab from knocking all at once after an outage.
    """

    shortest: float = 0.25
    longest: float = 10.0
    _next: float = field(default=0.0, init=False)
    _chance: random.Random = field(default_factory=random.Random, init=False)

    def pause(self) -> float:
        """Take the seconds to wait before the next try."""
        whole = max(self._next, self.shortest)
        self._next = min(whole * _GROWTH, self.longest)
        return whole * (1 - self._chance.random() / 2)

    def reset(self) -> None:
        """Begin with the shortest wait again, after a success."""
        self._next = 0.0

    def stood(self, seconds: float) -> bool:
        """Tell how long a connection stood; after one that settled the waits begin with the shortest, which is True."""
        settled = seconds > _SETTLED
        if settled:
            self.reset()
        return settled
