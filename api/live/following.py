"""Following: from the first decision, over what came since a position, to what arrives."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from api.cursor import Cursors, Question
from api.live.audience import Audience, Memory
from api.live.event import Event, Kind, Reason, ended
from api.live.hub import PAGE, Hub, settled
from api.live.position import Positions
from api.live.reader import Reader
from api.sealer import Ends
from fieldlab.errors import Unauthenticated, Unavailable
from fieldlab.ownership.access import Access, AccessKind, End, EndKind
from fieldlab.ownership.decision import Ask
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.instant import Instant
from fieldlab.storage import live
from fieldlab.storage.live import Place
from fieldlab.storage.selection import Wanted

BREATH: Final = 10.0
"""Seconds after which an answer in which nothing happens gives a sign of life."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What is asked: which streams, on what ground, and from which position on.

    `fetch` writes the address at which the same streams are read between two times of measurement.
    """

    streams: Wanted
    ask: Ask
    question: Question
    position: str | None
    fetch: Callable[[Instant, Instant], str]


class Following:
    """A reader's way through one answer; made by `opened`, it must be closed."""

    def __init__(
        self,
        hub: Hub,
        engine: AsyncEngine,
        audience: Audience,
        *,
        scope: ReadScope,
        ends: Ends,
        request: Request,
        start: Place | None,
        lost: Place | None,
    ) -> None:
        self._scope = scope
        self._hub = hub
        self._engine = engine
        self._audience = audience
        self._ends = ends
        self._request = request
        self._given: dict[int, int] = {}
        self._notes: list[tuple[UUID, tuple[int, ...]]] = []
        self._ended = EndKind.BROKEN, ""
        self._start = start
        self._lost = lost
        self._memory = Memory()
        self._reader = Reader(audience.missed, credential=scope.credential)

    def know(self, newest: Mapping[int, Instant]) -> None:
        """Take the newest times that whoever stands at the start knows."""
        self._memory.catch_up(newest)

    async def decide(self) -> None:
        """Decide before anything is sent; raises OutsideAgreement, and Unauthenticated for a key that is void.

        Whoever comes without a position joins the others at their next look, which decides for all of them.
        """
        if self._start is None:
            self._place = await self._hub.join(self._audience, self._reader, self._memory, fresh=True)
        else:
            self._place = self._start
            _, events = await self._turn(Place(since=self._start.since, until=self._start.since))
            if events and events[-1].kind is Kind.END:
                raise Unauthenticated("This token is no longer valid: it has expired or was revoked.")
        self._audience.require()
        await self._note(self._audience.in_force(self._memory))

    async def events(self) -> AsyncGenerator[Event, None]:
        """Give what to send; an answer that ends by itself says why. What leaves is in the ledger before it leaves."""
        async with aclosing(self._events()) as events:
            async for event in events:
                if unnoted := event.counts.keys() - self._given.keys():
                    await self._note(unnoted)
                for number, rows in event.counts.items():
                    self._given[number] += rows
                if event.kind is Kind.END:
                    self._ended = EndKind.CUT, str(event.data["reason"])
                yield event

    async def _events(self) -> AsyncGenerator[Event, None]:
        audience, reader = self._audience, self._reader
        yield audience.head(self._place, self._memory, self._ends.checkpoint)
        if self._lost is not None:
            yield audience.forgotten(self._lost, self._place)
        try:
            async for event in self._caught_up():
                yield event
                if event.kind is Kind.END:
                    return
        except Unavailable:
            yield ended(Reason.UNAVAILABLE)
            return
        except Unauthenticated:
            yield ended(Reason.CREDENTIAL_VOID)
            return
        while True:
            arrived = await reader.next(patience=BREATH)
            event = audience.alive(self._hub.place) if arrived is None else arrived
            yield event
            if event.kind is Kind.END:
                return

    def close(self) -> None:
        """Listen no more, and tell the ledger what had left."""
        kind, reason = self._ended
        for access, numbers in self._notes:
            rows = [self._given[number] for number in numbers]
            self._ends.add(End(access=access, rows=rows, kind=kind, reason=reason))
        self._hub.leave(self._audience, self._scope, self._reader)
        self._hub.dismiss()

    async def _note(self, numbers: Iterable[int]) -> None:
        fresh = tuple(sorted(numbers))
        access = Access(
            kind=AccessKind.LIVE,
            segments=self._audience.segments(fresh, self._memory),
            question=self._request.question,
            purpose=self._request.ask.purpose,
        )
        await live.noted(self._scope, self._engine, access)
        self._notes.append((access.id, fresh))
        self._given.update(dict.fromkeys(fresh, 0))

    async def _caught_up(self) -> AsyncGenerator[Event, None]:
        """Give what came since a position, until there is little left; then listen, and give what came until then."""
        if self._start is None:
            return
        place, target = self._start, None
        while True:
            step = place if place.until is not None else Place(since=place.since, until=target)
            turn, events = await self._turn(step)
            for event in events:
                yield event
            place = turn
            if place.until is not None or step.until is not target:
                continue
            if target is not None:
                break
            target = (await self._hub.join(self._audience, self._reader, self._memory, fresh=False)).since
        for event in self._audience.untold(self._memory):
            yield event

    async def _turn(self, step: Place) -> tuple[Place, list[Event]]:
        audience = self._audience
        turn = await live.turn([audience.watch([self._scope])], self._engine, step, limit=PAGE)
        (listener,) = turn.listeners
        if listener is None:
            return turn.place, [ended(Reason.CREDENTIAL_VOID)]
        rights = turn.rights.get(listener, ())
        reason = await settled(audience, self._scope, self._engine, rights)
        if reason is not None:
            return turn.place, [ended(reason)]
        events = audience.settle(rights, turn.decided_at, self._memory)
        events += audience.write(turn.samples.get(listener, ()), self._memory, before=step, after=turn.place)
        return turn.place, events


async def opened(
    hub: Hub, engine: AsyncEngine, ends: Ends, cursors: Cursors, scope: ReadScope, request: Request
) -> Following:
    """Decide on a request before anything is sent.

    Raises NotFound for a stream that is not there or hidden, InvalidCursor for a position of another question or
    participant, OutsideAgreement where nothing may be followed for what was said, Unavailable if there are too many.
    """
    hub.admit()
    following: Following | None = None
    try:
        streams = await live.streams_of(scope, engine, request.streams)
        positions = Positions(cursors, scope, request.question, streams)
        keys = tuple(stream.key for stream in streams)
        key = scope.participant, repr(sorted(request.question.items())), keys
        start = place = None if request.position is None else positions.read(request.position)
        known: Mapping[int, Instant] | None = {}
        if place is not None:
            known = await live.newest(scope, engine, keys, place.since)
            start = place if known is not None else Place(since=await live.moment(engine))
        elif not hub.known(key):
            known = await live.newest(scope, engine, keys, None)

        def made() -> Audience:
            return Audience(streams=streams, ask=request.ask, positions=positions, fetch=request.fetch)

        audience = hub.enter(key, scope, made)
        following = Following(
            hub,
            engine,
            audience,
            scope=scope,
            ends=ends,
            request=request,
            start=start,
            lost=None if known is not None else place,
        )
        following.know(known or {})
        await following.decide()
    except BaseException:
        if following is None:
            hub.dismiss()
        else:
            following.close()
        raise
    return following
