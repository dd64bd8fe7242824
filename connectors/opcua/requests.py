"""Questions to a server about many nodes at once, in requests of a size that it takes; raises Unavailable."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import (
    BadEncodingLimitsExceeded,
    BadRequestTooLarge,
    BadResponseTooLarge,
    BadTooManyOperations,
)

from connectors.opcua.border import border
from connectors.opcua.value import NodeKey

A = TypeVar("A")
B = TypeVar("B")

Names = tuple[tuple[int, str], ...]
"""Browse names, each with the index of its namespace."""

TOO_MUCH: Final = (BadTooManyOperations, BadRequestTooLarge, BadResponseTooLarge, BadEncodingLimitsExceeded)
"""How a server says that it takes fewer nodes in one request."""

_LIMITS: Final[Mapping[str, int]] = {
    "read": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    "browse": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    "translate": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
    "monitor": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    "history": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
}
_FORWARD: Final[Mapping[str, Any]] = {"IsInverse": False}
_MOST: Final[Mapping[str, int]] = {"read": 1_000, "browse": 100, "translate": 500, "monitor": 1_000, "history": 50}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How many nodes a server takes in one request (OPC 10000-5, 6.3.11), and never more than we send at once."""

    read: int = _MOST["read"]
    browse: int = _MOST["browse"]
    translate: int = _MOST["translate"]
    monitor: int = _MOST["monitor"]
    history: int = _MOST["history"]


class Requests:
    """Reads, browses and translates by one session."""

    def __init__(self, session: UaSession) -> None:
        self._session = session
        self.limits = Limits()

    async def learn_limits(self) -> None:
        """Ask how much the server takes at once; what it does not say is as much as it likes."""
        self.limits = Limits(read=len(_LIMITS))
        told = await self.read([node_id(NodeKey(0, number)) for number in _LIMITS.values()], AttributeIds.Value)
        known = {name: value for name, value in zip(_LIMITS, told, strict=True) if isinstance(value, int) and value > 0}
        self.limits = Limits(**{name: min(most, known.get(name, most)) for name, most in _MOST.items()})

    async def read(self, nodes: Sequence[ua.NodeId], attribute: AttributeIds) -> list[object]:
        """Give an attribute of each node; None where there is none."""
        values = await self.read_values(nodes, attribute)
        return [value.Value.Value if value.Value is not None else None for value in values]

    async def read_values(self, nodes: Sequence[ua.NodeId], attribute: AttributeIds) -> list[ua.DataValue]:
        """Give an attribute of each node, with its status and times."""

        async def ask(some: list[ua.NodeId]) -> list[ua.DataValue]:
            return list(await self._session.read_attributes(some, attribute))

        return await self._in_pieces("read", nodes, ask)

    async def translate(
        self, paths: Sequence[tuple[ua.NodeId, Names]], *, reference: int = ObjectIds.HierarchicalReferences
    ) -> list[list[ua.NodeId]]:
        """Give the nodes at the end of each path: a node, and the browse names from it on (OPC 10000-4, 5.9.4)."""
        kind = node_id(NodeKey(0, reference))

        async def ask(some: list[tuple[ua.NodeId, Names]]) -> list[ua.BrowsePathResult]:
            return list(
                await self._session.translate_browsepaths_to_nodeids(
                    [_path(start, names, kind) for start, names in some]
                )
            )

        results = await self._in_pieces("translate", paths, ask)
        return [
            [one.TargetId for one in result.Targets or ()] if result.StatusCode.is_good() else [] for result in results
        ]

    async def browse(
        self, nodes: Sequence[ua.NodeId], *, reference: int, forward: bool = True, classes: int = 0
    ) -> list[list[ua.ReferenceDescription]]:
        """Give the references of each node, of a kind and its subtypes, to nodes of these classes, 0 for any."""
        kind = node_id(NodeKey(0, reference))

        async def ask(some: list[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
            asked = [_browsed(node, kind, forward=forward, classes=classes) for node in some]
            found = await self._followed(asked)
            for place, references in enumerate(found):
                if references is None:  # the server had no mark left to go on with; now it has
                    (found[place],) = await self._followed([asked[place]])
            return [references or [] for references in found]

        return await self._in_pieces("browse", nodes, ask)

    async def _followed(self, asked: list[ua.BrowseDescription]) -> list[list[ua.ReferenceDescription] | None]:
        """Browse, and follow each answer to its end; None for a node that the server could not answer just now."""
        results = await self._session.browse(ua.BrowseParameters(RequestedMaxReferencesPerNode=0, NodesToBrowse=asked))
        found: list[list[ua.ReferenceDescription] | None] = []
        for result in results:
            references, mark = list(result.References or ()), result.ContinuationPoint
            while mark:
                (more,) = await self._session.browse_next(
                    ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[mark])
                )
                references += more.References or ()
                mark = more.ContinuationPoint
            found.append(None if result.StatusCode.value == StatusCodes.BadNoContinuationPoints else references)
        return found

    async def _in_pieces(self, what: str, items: Sequence[A], ask: Callable[[list[A]], Awaitable[list[B]]]) -> list[B]:
        """Ask for so many at once as the server takes; one that refuses so many is asked for fewer from then on."""
        found: list[B] = []
        while len(found) < len(items):
            most: int = getattr(self.limits, what)
            some = list(items[len(found) : len(found) + most])
            with border():
                try:
                    found += await ask(some)
                except TOO_MUCH:
                    if len(some) == 1:
                        raise
                    self.limits = replace(self.limits, **{what: max(1, len(some) // 2)})
        return found


def _path(start: ua.NodeId, names: Names, kind: ua.NodeId) -> ua.BrowsePath:
    elements = [
        ua.RelativePathElement(ReferenceTypeId=kind, TargetName=ua.QualifiedName(name, index), **_FORWARD)
        for index, name in names
    ]
    return ua.BrowsePath(StartingNode=start, RelativePath=ua.RelativePath(Elements=elements))


def _browsed(node: ua.NodeId, kind: ua.NodeId, *, forward: bool, classes: int) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward if forward else ua.BrowseDirection.Inverse,
        ReferenceTypeId=kind,
        IncludeSubtypes=True,
        NodeClassMask=classes,
        ResultMask=ua.BrowseResultMask.All,
    )


def node_id(key: NodeKey) -> ua.NodeId:
    """Give a NodeId as asyncua writes it."""
    namespace = ua.Int16(key.namespace)
    match key.identifier:
        case int() as number:
            return ua.NodeId(ua.Int32(number), namespace)
        case str() as text:
            return ua.NodeId(ua.String(text), namespace)
        case bytes() as octets:
            return ua.NodeId(ua.ByteString(octets), namespace)
        case guid:
            return ua.NodeId(ua.Guid(int=guid.int), namespace)
