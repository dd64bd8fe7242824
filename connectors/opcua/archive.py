"""A server's memory of what its nodes said: which keep one, and what it holds (OPC 10000-11)."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import BadConnectionClosed, UaStatusCodeError

from connectors.opcua.address import NodeAddress
from connectors.opcua.decode import Reading
from connectors.opcua.session import Session, border
from fieldlab.errors import Unavailable
from fieldlab.readings.instant import Instant

PAGE: Final = 10_000
"""Values of one answer, over all its nodes."""

_NODES: Final = 50
_READ: Final = 1_000
_HISTORY: Final = 0x04
"""AccessLevel bit HistoryRead (OPC 10000-3, 8.57)."""

_LIMIT: Final = ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData
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

    def __init__(self, session: Session) -> None:
        self._session = session
        self.nodes = _NODES

    async def learn_limits(self) -> None:
        """Ask how many nodes the server takes in one request; one that does not say takes some."""
        (most,) = await self._read([ua.NodeId(ua.Int32(_LIMIT))], AttributeIds.Value)
        if most.Value is not None and isinstance(most.Value.Value, int):
            self.nodes = min(most.Value.Value or _NODES, _NODES)

    async def keeps(self, nodes: Collection[NodeAddress]) -> list[bool]:
        """Tell which nodes keep a history that this user may read."""
        levels = await self._read(self._session.node_ids(nodes), AttributeIds.UserAccessLevel)
        return [
            level.Value is not None and isinstance(level.Value.Value, int) and bool(level.Value.Value & _HISTORY)
            for level in levels
        ]

    async def present(self, nodes: Collection[NodeAddress]) -> list[Instant | None]:
        """Tell when each node's present value was measured; None where that is not known."""
        values = await self._read(self._session.node_ids(nodes), AttributeIds.Value)
        times = [value.SourceTimestamp or value.ServerTimestamp for value in values]
        return [None if time is None or time <= ua.get_win_epoch() else Instant.of(time) for time in times]

    async def read(self, nodes: Mapping[str, NodeAddress], start: Instant, until: Instant, *, most: int) -> list[Page]:
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
            ua.HistoryReadValueId(NodeId=id_, ContinuationPoint=result.ContinuationPoint)
            for id_, result in zip(ids, results, strict=True)
            if result.ContinuationPoint
        ]
        if left:  # a server has few of these marks; the next page is asked for by its time
            with suppress(Refused):
                await self._ask(details, left, release=True)
        return [_page(text, result, most) for text, result in zip(nodes, results, strict=True)]

    async def _ask(
        self, details: ua.ReadRawModifiedDetails, asked: list[ua.HistoryReadValueId], *, release: bool = False
    ) -> list[ua.HistoryReadResult]:
        parameters = ua.HistoryReadParameters(
            HistoryReadDetails=details,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ReleaseContinuationPoints=release,
            NodesToRead=asked,
        )
        with border():
            try:
                return list(await self._session.services.history_read(parameters))
            except BadConnectionClosed:
                raise
            except (UaStatusCodeError, TimeoutError) as error:
                raise Refused(str(error) or "no answer in time") from None

    async def _read(self, ids: Sequence[ua.NodeId], attribute: AttributeIds) -> list[ua.DataValue]:
        found: list[ua.DataValue] = []
        with border():
            for at in range(0, len(ids), _READ):
                found += await self._session.services.read_attributes(list(ids[at : at + _READ]), attribute)
        return found


def _page(text: str, result: ua.HistoryReadResult, most: int) -> Page:
    if result.StatusCode.is_bad():
        return Page(fault=result.StatusCode.name)
    data = result.HistoryData
    if data is not None and not isinstance(data, ua.HistoryData):
        return Page(fault=f"an answer of type {type(data).__name__}")
    readings = [
        Reading(
            text,
            one.Value.Value if one.Value is not None else None,
            one.StatusCode.value if one.StatusCode is not None else 0,
            one.SourceTimestamp,
            one.ServerTimestamp,
        )
        for one in (data.DataValues if data is not None else None) or ()
    ]
    return Page(readings=readings, more=bool(result.ContinuationPoint) or len(readings) >= most)


def _time(instant: Instant) -> ua.uatypes.DateTime:
    return _EPOCH + timedelta(microseconds=int(instant))
