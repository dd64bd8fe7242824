"""Which nodes are wanted, which the server sends and which it refuses; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from connectors.opcua.address import NodeAddress, node_of
from fieldlab.errors import InvalidName


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The nodes behind a set of bound addresses, by the text that names them, and the addresses that name none.

    `addresses` holds for each node what was bound of it: itself, or elements of its array.
    """

    nodes: Mapping[str, NodeAddress] = field(default_factory=dict)
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, addresses: Iterable[str]) -> "Wanted":
        """Find the nodes; elements of one array share its node."""
        nodes: dict[str, NodeAddress] = {}
        unreadable: dict[str, str] = {}
        bound: dict[str, list[str]] = {}
        for address in addresses:
            bound.setdefault(node_of(address), []).append(address)
        for text in bound:
            try:
                nodes[text] = NodeAddress.parse(text)
            except InvalidName as fault:
                unreadable[text] = str(fault)
        return cls(nodes=nodes, addresses={text: tuple(some) for text, some in bound.items()}, unreadable=unreadable)


@dataclass(kw_only=True, slots=True)
class Standing:
    """What one session has been asked for: `sent` by text and server handle, `texts` by client handle."""

    sent: dict[str, int] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    handles: int = 0

    @property
    def settled(self) -> bool:
        """Tell whether the server has answered for every text that it was asked for."""
        return len(self.texts) == len(self.sent)

    def to_add(self, wanted: Wanted) -> dict[int, str]:
        """Give the texts that are wanted and not sent, each under a new handle; their values may come at once."""
        missing = [text for text in wanted.nodes if text not in self.sent]
        new = {self.handles + place: text for place, text in enumerate(missing, start=1)}
        self.handles += len(new)
        self.texts |= new
        return new

    def to_drop(self, wanted: Wanted) -> list[str]:
        """Give the texts that are sent and no longer wanted."""
        return [text for text in self.sent if text not in wanted.nodes]

    def settle(self, handle: int, server_handle: int | None) -> None:
        """Note the server's answer to a text under its handle: None for a refusal."""
        if server_handle is None:
            del self.texts[handle]
        else:
            self.sent[self.texts[handle]] = server_handle

    def drop(self, texts: Iterable[str]) -> None:
        """Forget texts that the server no longer sends."""
        gone = set(texts)
        self.sent = {text: handle for text, handle in self.sent.items() if text not in gone}
        self.texts = {handle: text for handle, text in self.texts.items() if text not in gone}
