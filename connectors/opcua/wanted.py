"""Which nodes are wanted, which the server sends and which it refuses; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from connectors.opcua.address import Address, event_of, node_of, parse
from connectors.opcua.structure import Enumeration
from fieldlab.errors import InvalidName
from fieldlab.readings.instant import Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The nodes behind a set of addresses, by the text that names them, and the addresses that name none.

    `addresses` holds for each node what was bound of it: itself, or parts of its value. `events` are the addresses that
    name what happens at a node instead.
    """

    nodes: Mapping[str, Address] = field(default_factory=dict)
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    events: frozenset[str] = frozenset()

    def at_addresses(self, times: Mapping[str, Instant]) -> dict[str, Instant]:
        """Give what is known of nodes for each address that is bound of them."""
        return {address: times[text] for text, some in self.addresses.items() if text in times for address in some}

    @classmethod
    def of(cls, addresses: Iterable[str]) -> "Wanted":
        """Find the nodes; parts of one value share its node."""
        every = list(addresses)
        events = frozenset(address for address in every if event_of(address) is not None)
        nodes: dict[str, Address] = {}
        unreadable: dict[str, str] = {}
        bound: dict[str, list[str]] = {}
        for address in every:
            if address in events:
                continue
            bound.setdefault(node_of(address), []).append(address)
        for text in bound:
            try:
                nodes[text] = parse(text)
            except InvalidName as fault:
                unreadable[text] = str(fault)
        return cls(
            nodes=nodes,
            addresses={text: tuple(some) for text, some in bound.items()},
            unreadable=unreadable,
            events=events,
        )


@dataclass(kw_only=True, slots=True)
class Standing:
    """What one subscription has been asked for: `sent` by text and server handle, `texts` by client handle.

    `names` are the names of the numbers of those nodes whose numbers have some; `notifiers` gives by client handle the
    nodes whose events are sent. `changes` counts how often `texts` became others.
    """

    sent: dict[str, int] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    handles: int = 0
    names: dict[str, Enumeration] = field(default_factory=dict)
    notifiers: dict[int, str] = field(default_factory=dict)
    changes: int = 0

    @property
    def settled(self) -> bool:
        """Tell whether the server has answered for every text that it was asked for."""
        return len(self.texts) == len(self.sent)

    def to_add(self, texts: Iterable[str]) -> dict[int, str]:
        """Give those of the texts that are not sent, each under a new handle; their values may come at once."""
        missing = [text for text in texts if text not in self.sent]
        new = {self.handles + place: text for place, text in enumerate(missing, start=1)}
        self.handles += len(new)
        self.texts |= new
        self.changes += 1
        return new

    def to_drop(self, wanted: Wanted) -> list[str]:
        """Give the texts that are sent and no longer wanted."""
        return [text for text in self.sent if text not in wanted.nodes]

    def settle(self, handle: int, server_handle: int | None) -> None:
        """Note the server's answer to a text under its handle: None for a refusal."""
        if server_handle is None:
            del self.texts[handle]
            self.changes += 1
        else:
            self.sent[self.texts[handle]] = server_handle

    def drop(self, texts: Iterable[str]) -> None:
        """Forget texts that the server no longer sends."""
        gone = set(texts)
        self.sent = {text: handle for text, handle in self.sent.items() if text not in gone}
        self.texts = {handle: text for handle, text in self.texts.items() if text not in gone}
        self.changes += 1
