"""How often one may ask: a leaky bucket for each participant, in the memory of one process. Pure; time is given."""

from dataclasses import dataclass
from math import ceil
from typing import Final

WINDOW: Final = 60
"""Seconds in which a participant may ask so often."""

_MOST: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a request may pass, and how many more may at once.

    After `reset` seconds all may again; one that may not pass has room after `retry_after` seconds.
    """

    allowed: bool
    remaining: int
    reset: int
    retry_after: int


class Rates:
    """Counts the requests of each participant: at most `quota` a minute, all at once or one after the other.

    It keeps one number for each that asked within the last minute (GCRA): the moment at which its bucket is empty.
    """

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self._empty_at: dict[str, float] = {}

    def take(self, who: str, now: float) -> Verdict:
        """Count one request at a moment in seconds; what does not pass does not count."""
        each = WINDOW / self.quota
        filled = max(self._empty_at.get(who, now), now) + each
        allowed = filled - now <= WINDOW + each / 1e6
        if allowed:
            if who not in self._empty_at and len(self._empty_at) >= _MOST:
                self._forget(now)
            self._empty_at[who] = filled
        level = self._empty_at.get(who, now) - now
        return Verdict(
            allowed=allowed,
            remaining=int((WINDOW - level) / each + 1e-6),
            reset=ceil(level),
            retry_after=0 if allowed else max(1, ceil(filled - now - WINDOW)),
        )

    @property
    def policy(self) -> str:
        """Write the policy as a RateLimit-Policy header (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"participant";q={self.quota};w={WINDOW}'

    def _forget(self, now: float) -> None:
        self._empty_at = {who: at for who, at in self._empty_at.items() if at > now}
