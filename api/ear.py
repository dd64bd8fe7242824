"""What a process hears of the database: that samples arrived, or that somebody's rights have changed.

Nothing depends on it. Whoever is told looks at once, and looks from time to time in any case.
"""

import asyncio
from collections.abc import Callable

from api.stopping import stopped
from fieldlab.storage.announcements import Announced, heard


class Ear:
    """Hears for all in this process, on a connection of its own, from the moment that somebody first needs it."""

    def __init__(self, url: str, *, deaf: bool = False) -> None:
        self._url = url
        self._hearing: asyncio.Task[None] | None = None
        self._told: dict[Callable[[], None], None] = {}
        self._rights: asyncio.Future[None] | None = None
        self.deaf = deaf

    def tell(self, what: Callable[[], None]) -> None:
        """Call this from now on whenever anything is heard."""
        self._told[what] = None
        self._start()

    def rights(self) -> "asyncio.Future[None]":
        """Give a future that is done as soon as rights have changed; wait for it, and do not cancel it."""
        self._start()
        if self._rights is None:
            self._rights = asyncio.get_running_loop().create_future()
        return self._rights

    async def close(self) -> None:
        """Hear no more."""
        if self._hearing is not None:
            await stopped(self._hearing)
            self._hearing = None

    def _start(self) -> None:
        if self._hearing is None and not self.deaf:
            self._hearing = asyncio.create_task(heard(self._url, self._hear, name="fieldlab api ear"))

    def _hear(self, what: Announced) -> None:
        if what is Announced.RIGHTS and self._rights is not None:
            self._rights.set_result(None)
            self._rights = None
        for told in self._told:
            told()
