"""A server's memory of what its nodes said: which keep one, and what it holds (OPC 10000-11)."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaerrors import BadConnectionClosed, UaStatusCodeError

from connectors.opcua.address import Address
from connectors.opcua.border import border
from connectors.opcua.decode import Reading
from connectors.opcua.interpreter import Interpreter
from connectors.opcua.published import Past
from connectors.opcua.session import Session
from connectors.opcua.value import moment
from fieldlab.errors import Unavailable
from fieldlab.readings.instant import Instant

PAGE: Final = 10_000
"""Values of one answer, over all its nodes."""

_HISTORY: Final = 0x04
"""AccessLevel bit HistoryRead (OPC 10000-3, 8.57)."""

_BAD: Final = 0x8000_0000
_EPOCH: Final = ua.uatypes.DateTime(1970, 1, 1, tzinfo=UTC)


class Refused(Unavailable):
    """The server does not read history in this way, but the connection stands; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What a node said, in order; `more` tells that there is more, `fault` why there is nothing at all."""

    readings: Sequence[Reading] = ()
    more: bool = False
    fault: str = ""


class Archive:
    """The history behind one session; its methods raise Unavailable when the connection fails."""

    def __init__(self, session: Session, interpreter: Interpreter) -> None:
        self._session = session
        self._interpreter = interpreter
        self.nodes = session.requests.limits.history

    async def keeps(self, nodes: Collection[Address]) -> list[bool]:
        """Tell which nodes keep a history that this user may read."""
        levels = await self._session.requests.read(self._session.node_ids(nodes), AttributeIds.UserAccessLevel)
        return [isinstance(level, int) and bool(level & _HISTORY) for level in levels]

    async def present(self, nodes: Collection[Address]) -> list[Instant | None]:
        """Tell when each node's present value was measured; None where that is not known."""
        values = await self._session.requests.read_values(self._session.node_ids(nodes), AttributeIds.Value)
        times = [value.SourceTimestamp or value.ServerTimestamp for value in values]
        return [None if time is None or time <= ua.get_win_epoch() else Instant.of(time) for time in times]

    async def read(self, nodes: Mapping[str, Address], start: Instant, until: Instant, *, most: int) -> list[Page]:
        """Give the first `most` values of each node in [start, until], backwards where `until` is the earlier.

        Raises Refused where the server takes no such request.
        """
        details = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=_time(start),
            EndTime=_time(until),
            NumValuesPerNode=ua.UInt32(most),
            ReturnBounds=False,
        )
        ids = self._session.node_ids(nodes.values())
        results = await self._ask(details, [ua.HistoryReadValueId(NodeId=id_) for id_ in ids])
        left = [
            ua.HistoryReadValueId(NodeId=id_, ContinuationPoint=result.mark)
            for id_, result in zip(ids, results, strict=True)
            if result.mark
        ]
        if left:  # a server has few of these marks; the next page is asked for by its time
            with suppress(Refused):
                await self._ask(details, left, release=True)
        await self._interpreter.learn(one.value for result in results for one in result.values)
        return [self._page(text, result, most) for text, result in zip(nodes, results, strict=True)]

    async def _ask(
        self, details: ua.ReadRawModifiedDetails, asked: list[ua.HistoryReadValueId], *, release: bool = False
    ) -> list[Past]:
        parameters = ua.HistoryReadParameters(
            HistoryReadDetails=details,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ReleaseContinuationPoints=release,
            NodesToRead=asked,
        )
        with border():
            try:
                return await self._session.services.past(parameters)
            except BadConnectionClosed:
                raise
            except (UaStatusCodeError, TimeoutError) as error:
                raise Refused(str(error) or "no answer in time") from None

    def _page(self, text: str, result: Past, most: int) -> Page:
        if result.code & _BAD:
            return Page(fault=ua.StatusCode(ua.UInt32(result.code)).name)
        readings = [
            Reading(text, self._interpreter.meaning(text, one.value), one.code, moment(one.source), moment(one.server))
            for one in result.values
        ]
        return Page(readings=readings, more=bool(result.mark) or len(readings) >= most)


def _time(instant: Instant) -> ua.uatypes.DateTime:
    return _EPOCH + timedelta(microseconds=int(instant))
