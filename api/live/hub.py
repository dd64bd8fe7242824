"""The hub: one look after the other at what arrived, for all who listen in this process.

It looks when the database announces something, and from time to time in any case, so that nothing depends on an
announcement: neither data, nor the end of a right. Each look is one transaction in which everything is decided anew.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from api.ear import Ear
from api.live.audience import Audience, Memory
from api.live.event import Reason, ended
from api.live.reader import Reader
from api.stopping import stopped
from fieldlab.errors import FieldlabError, Unauthenticated, Unavailable
from fieldlab.ownership.agreement import State
from fieldlab.ownership.decision import Right
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage import live
from fieldlab.storage.live import Place, Turn

_log: Final = logging.getLogger("fieldlab.api")

POLL: Final = 0.4
"""Seconds between two looks when nothing is announced: a right that ends is noticed within this time."""

SPACING: Final = 0.05
"""Seconds between two looks, at least, however much is announced."""

PAGE: Final = 20_000
"""Samples of one look, at most about."""

PATIENCE: Final = 3.0
"""Seconds that nothing can be decided before all answers end."""

_REASONS: Final = {
    State.TERMINATED: Reason.AGREEMENT_TERMINATED,
    State.SUSPENDED: Reason.AGREEMENT_SUSPENDED,
    State.EXPIRED: Reason.AGREEMENT_EXPIRED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Joining:
    """Somebody who begins to listen at the end of a look that began after it came, and what it knows by then."""

    audience: Audience
    reader: Reader
    memory: Memory
    fresh: bool
    at: "asyncio.Future[Place]"


class Hub:
    """Reads for all who listen in this process, and sends to each."""

    def __init__(self, engine: AsyncEngine, *, ear: Ear, most_readers: int, poll: float = POLL) -> None:
        self._engine = engine
        self._ear = ear
        self._most_readers = most_readers
        self._poll = poll
        self._audiences: dict[object, Audience] = {}
        self._joining: list[_Joining] = []
        self._readers = 0
        self._place: Place | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self._wake = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def place(self) -> Place | None:
        """Give where all who listen are, unless a look is not finished."""
        return self._place if self._place is not None and self._place.until is None else None

    @property
    def readers(self) -> int:
        """Give how many follow data."""
        return self._readers

    def admit(self) -> None:
        """Count one more reader; raises Unavailable if there are too many, or the service stops."""
        if self._stopping or self._readers >= self._most_readers:
            raise Unavailable("The service follows data for as many readers as it can; try again in a moment.")
        self._readers += 1
        self._empty.clear()

    def dismiss(self) -> None:
        """Count one reader less."""
        self._readers -= 1
        if not self._readers:
            self._empty.set()

    def known(self, key: object) -> bool:
        """Tell whether those who asked this question know the newest times of its streams."""
        return key in self._audiences and self._audiences[key].informed

    def enter(self, key: object, scope: ReadScope, make: Callable[[], Audience]) -> Audience:
        """Give those who asked the same question for the same participant; whoever enters leaves."""
        if key not in self._audiences:
            self._audiences[key] = make()
        audience = self._audiences[key]
        audience.enter(scope)
        return audience

    def leave(self, audience: Audience, scope: ReadScope, reader: Reader) -> None:
        """Listen no more."""
        self._joining = [one for one in self._joining if one.reader is not reader]
        audience.readers.discard(reader)
        if audience.leave(scope):
            self._forget(audience)

    async def join(self, audience: Audience, reader: Reader, memory: Memory, *, fresh: bool) -> Place:
        """Begin to listen; give the place after which the reader gets all that arrives.

        The others learn what newest times this one knows; whoever is fresh learns all that they were told. Raises
        Unauthenticated if its credential is void.
        """
        if audience.over is not None:
            reader.offer(ended(audience.over))
            return Place(since=await live.moment(self._engine))
        at: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._joining.append(_Joining(audience=audience, reader=reader, memory=memory, fresh=fresh, at=at))
        self._start()
        self._wake.set()
        return await at

    def stop(self) -> None:
        """End all answers, and admit nobody any more."""
        self._stopping = True
        self._end_all(Reason.STOPPING)

    async def emptied(self) -> None:
        """Wait until no reader is left."""
        await self._empty.wait()

    async def close(self) -> None:
        """Stop, and wait until nothing runs."""
        self.stop()
        if self._looking is not None:
            await stopped(self._looking)
            self._looking = None

    def _start(self) -> None:
        """Begin to look, once, and again if an error ended it."""
        self._ear.tell(self._wake.set)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._look_on()
        except FieldlabError:
            _log.exception("live: looking for what arrived failed; it begins anew with the next reader")
        finally:
            self._end_all(Reason.UNAVAILABLE)
            self._place = None

    async def _look_on(self) -> None:
        loop = asyncio.get_running_loop()
        able = loop.time()
        while True:
            begun = loop.time()
            try:
                more = await self._look()
                able = loop.time()
            except Unavailable as error:
                _log.warning("live: nothing can be decided: %s", error.__cause__)
                more = False
                if loop.time() - able > PATIENCE:
                    self._end_all(Reason.UNAVAILABLE)
            if not more:
                await self._rest(begun)

    async def _rest(self, begun: float) -> None:
        """Wait for an announcement or until it is time, and at least a moment."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, begun + SPACING - loop.time()))
        if not self._audiences:
            self._place = None
            await self._wake.wait()
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(begun + self._poll):
                    await self._wake.wait()
        self._wake.clear()

    async def _look(self) -> bool:
        """Look once; tell whether there is more to see at once."""
        if not self._audiences:
            self._place = None
            return False
        before = self._place or Place(since=await live.moment(self._engine))
        joining = tuple(self._joining)
        audiences = list(self._audiences.values())
        watches = [one.watch(one.scopes) for one in audiences]
        turn = await live.turn(watches, self._engine, before, limit=PAGE)
        for audience, listener in zip(audiences, turn.listeners, strict=True):
            await self._send(audience, listener, turn, before)
        self._place = turn.place
        if turn.place.until is not None:
            return True
        for one in joining:
            if one in self._joining:
                self._joining.remove(one)
                self._seat(one, turn)
        return False

    def _seat(self, one: _Joining, turn: Turn) -> None:
        if one.at.done():
            return
        if one.reader.credential in turn.void:
            one.at.set_exception(Unauthenticated("This token is no longer valid: it has expired or was revoked."))
            return
        if one.audience.over is not None:
            one.reader.offer(ended(one.audience.over))
        else:
            one.audience.readers.add(one.reader)
        one.audience.memory.catch_up(one.memory.newest)
        one.audience.informed = True
        if one.fresh:
            one.memory.take(one.audience.memory)
        one.at.set_result(turn.place)

    async def _send(self, audience: Audience, listener: int | None, turn: Turn, before: Place) -> None:
        for reader in [reader for reader in audience.readers if reader.credential in turn.void]:
            audience.readers.discard(reader)
            reader.offer(ended(Reason.CREDENTIAL_VOID))
        if listener is None:
            self._end(audience, Reason.CREDENTIAL_VOID)
            return
        rights = turn.rights.get(listener, ())
        reason: Reason | None = Reason.CREDENTIAL_VOID
        for scope in (scope for scope in audience.scopes if scope.credential not in turn.void):
            with contextlib.suppress(Unauthenticated):
                reason = await settled(audience, scope, self._engine, rights)
                break
        if reason is not None:
            self._end(audience, reason)
            return
        events = audience.settle(rights, turn.decided_at, audience.memory)
        events += audience.write(turn.samples.get(listener, ()), audience.memory, before=before, after=turn.place)
        for event in events:
            for reader in audience.readers:
                reader.offer(event)

    def _end(self, audience: Audience, reason: Reason) -> None:
        audience.over = reason
        self._forget(audience)
        for reader in audience.readers:
            reader.offer(ended(reason))

    def _forget(self, audience: Audience) -> None:
        for key in [key for key, one in self._audiences.items() if one is audience]:
            del self._audiences[key]

    def _end_all(self, reason: Reason) -> None:
        for audience in list(self._audiences.values()):
            self._end(audience, reason)
        for one in self._joining:
            if not one.at.done():
                one.at.set_exception(Unavailable("Nobody can follow data at this moment; try again."))
        self._joining = []


async def settled(audience: Audience, scope: ReadScope, engine: AsyncEngine, rights: Sequence[Right]) -> Reason | None:
    """Read the agreements that an audience needs for a decision; tell why one of those it rests on opens nothing more.

    None if they hold, and only what they open has changed. A broken glass, whose id stands among theirs, opens nothing
    more when its time is over. Raises Unauthenticated if the scope's credential is void.
    """
    if missing := audience.unread(rights):
        audience.learn(await live.signed(scope, engine, missing))
    gone = audience.held - {right.agreement for right in rights}
    if gone & audience.glass:
        return Reason.BREAK_GLASS_CLOSED
    if not gone:
        return None
    found = await live.signed(scope, engine, gone)
    return next((_REASONS[one.state] for one in found.values() if one.state in _REASONS), None)
