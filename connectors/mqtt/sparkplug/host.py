"""A host application (specification 3.0, chapter 5): what edge nodes send becomes samples, gaps and requests. Pure.

A time-series store takes all data that arrive, whatever their order (5.10 allows it); the order only tells what is
missing.
"""

import json
from collections.abc import Callable
from typing import Final

from connectors.mqtt.decode.batch import Batch, Message
from connectors.mqtt.decode.refused import Refused
from connectors.mqtt.sparkplug.metrics import MetricReader
from connectors.mqtt.sparkplug.node import Held, Node
from connectors.mqtt.sparkplug.order import NUMBERS, Order
from connectors.mqtt.sparkplug.payload import Payload, read
from connectors.mqtt.sparkplug.topic import Topic, Verb, state_topic, topic_of
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from fieldlab.readings.status import BAD_NO_COMMUNICATION, signed

ASK_AGAIN: Final = 10 * SECOND
"""Microseconds after which an edge node that did not answer is asked for its births again."""

_MOST_NODES: Final = 10_000
_DEATH_NUMBER: Final = "bdSeq"
_STALE: Final = signed(BAD_NO_COMMUNICATION)
_MOST_HELD: Final = 1_000


class HostApplication:
    """Decodes the messages of one source, and remembers the edge nodes: a message means nothing without its birth.

    `requests` are the nodes to be asked for their births, `<group>/<edge node>`; `announce` tells that another session
    has called this host offline, so that it must say again that it is online. Whoever sends them clears them.
    """

    def __init__(self, *, host_id: str, reorder_timeout: float) -> None:
        self.requests: list[str] = []
        self.announce = False
        self._state = state_topic(host_id)
        self._patience = int(reorder_timeout * SECOND)
        self._nodes: dict[str, Node] = {}
        self._waiting: dict[str, Node] = {}
        self._reader = MetricReader()
        self._takers: dict[Verb, Callable[[Batch, Message, Topic, Payload, Node], None]] = {
            Verb.NBIRTH: self._birth,
            Verb.DBIRTH: self._device_birth,
            Verb.NDATA: self._data,
            Verb.DDATA: self._data,
            Verb.DDEATH: self._device_death,
            Verb.NDEATH: self._death,
        }

    def into(self, batch: Batch, message: Message) -> None:
        """Add what a message holds to a batch; raises nothing, whatever the payload holds."""
        if message.topic == self._state:
            self._told_state(message.payload)
            return
        topic = topic_of(message.topic)
        if topic is not None and topic.verb in {Verb.NCMD, Verb.DCMD}:
            return
        if topic is None:
            if not message.topic.startswith("spBv1.0/STATE/"):
                batch.refuse(message, Reason.MALFORMED, "No Sparkplug topic; leave it out of options.topics.")
            return
        try:
            self._take(batch, message, topic)
        except Refused as refusal:
            batch.refuse(message, refusal.reason, str(refusal))
        except ValueError as error:
            batch.refuse(message, Reason.MALFORMED, f"Not Sparkplug B: {error}.")

    def _take(self, batch: Batch, message: Message, topic: Topic) -> None:
        if message.retained:
            raise Refused("The broker kept this message from before; edge nodes must not retain (6.4.1).")
        if message.missing:
            raise Refused("The payload is too large; send fewer metrics in a message.")
        self._takers[topic.verb](batch, message, topic, read(message.payload), self._node(topic.node))

    def rejoin(self, now: Instant) -> None:
        """Ask every node that is known for its births, because a new connection stands."""
        for name, node in self._nodes.items():
            node.asked = now
            self.requests.append(name)

    def renewed(self) -> None:
        """Begin anew with the first message of a new connection: what was missed is not known."""
        self._waiting.clear()
        for node in self._nodes.values():
            node.forget()

    def overdue(self, batch: Batch, now: Instant) -> None:
        """Give up on messages that are missing for longer than the time-out: a gap, and the births are asked for."""
        for name, node in list(self._waiting.items()):
            if now < self._due(node):
                continue
            order = node.order
            if order is not None and order.since is not None:
                until, addresses = Instant(max(order.since, order.before + 1)), node.addresses
                gap = Gap(start=order.before, until=until, cause=Cause.SEQUENCE_HOLE, addresses=addresses)
                batch.gaps.append(gap)
                order.forgive(now)
                self._ask(name, node, now)
            del self._waiting[name]
            held, node.held = node.held, []
            self._release(batch, node, held)

    @property
    def next_check(self) -> Instant | None:
        """Tell when `overdue` should be called, if nothing arrives."""
        return min(map(self._due, self._waiting.values()), default=None)

    def _due(self, node: Node) -> Instant:
        """Tell when a node has been waited for long enough: for a missing message, or for its own birth."""
        if node.order is not None:
            return Instant(0 if node.order.since is None else node.order.since + self._patience)
        return Instant(node.held[0].message.received_at + self._patience if node.held else 0)

    def _node(self, name: str) -> Node:
        node = self._nodes.get(name)
        if node is None:
            if len(self._nodes) >= _MOST_NODES:
                raise Refused(f"There are more than {_MOST_NODES} edge nodes; narrow options.topics.")
            node = self._nodes[name] = Node()
        return node

    def _ask(self, name: str, node: Node, now: Instant) -> None:
        if node.asked is None or now - node.asked >= ASK_AGAIN:
            node.asked = now
            self.requests.append(name)

    def _told_state(self, state: bytes) -> None:
        """Take what stands under this host's own name: "offline" is another session's last will (4.2, 5.13)."""
        try:
            told = json.loads(state)
        except ValueError:
            return
        if isinstance(told, dict) and told.get("online") is False:
            self.announce = True

    def _birth(self, batch: Batch, message: Message, topic: Topic, payload: Payload, node: Node) -> None:
        """Begin a session of a node, or go on with one whose births were asked for (5.4, 5.16)."""
        number, now = _death_number(payload), message.received_at
        if node.order is not None and number != node.death_number:
            node.die(None, node.order.heard)
        self._close(batch, node, topic.device, now)
        node.begin(number, Order((payload.seq or 0) % NUMBERS, now), since=Instant(now - self._patience))
        self._reader.take_birth(batch, message, topic, payload, node)
        early, node.held = node.held, []
        for one in early:
            self._device_birth(batch, one.message, one.topic, one.payload, node)

    def _device_birth(self, batch: Batch, message: Message, topic: Topic, payload: Payload, node: Node) -> None:
        if not node.alive and len(node.held) < _MOST_HELD:
            node.held.append(Held(message, topic, payload))
            self._waiting[topic.node] = node
            return
        if not self._known(batch, message, topic, node):
            return
        self._ordered(node, topic, payload, message.received_at)
        self._close(batch, node, topic.device, message.received_at)
        self._reader.take_birth(batch, message, topic, payload, node)
        late = [one for one in node.held if one.topic.device == topic.device]
        node.held = [one for one in node.held if one.topic.device != topic.device]
        self._release(batch, node, late)

    def _data(self, batch: Batch, message: Message, topic: Topic, payload: Payload, node: Node) -> None:
        if not self._known(batch, message, topic, node):
            return
        self._ordered(node, topic, payload, message.received_at)
        late = node.order is not None and node.order.since is not None and not node.is_born(topic.device)
        if late and len(node.held) < _MOST_HELD:
            node.held.append(Held(message, topic, payload))
        elif not self._reader.take_data(batch, message, topic, payload, node):
            self._ask(topic.node, node, message.received_at)

    def _release(self, batch: Batch, node: Node, held: list[Held]) -> None:
        """Take the messages that waited for a birth; those that waited in vain become rejects."""
        for message, topic, payload in held:
            if self._known(batch, message, topic, node):
                self._reader.take_data(batch, message, topic, payload, node)

    def _device_death(self, batch: Batch, message: Message, topic: Topic, payload: Payload, node: Node) -> None:
        """Mark a device's metrics stale, from the time that the node gives (5.9)."""
        if self._known(batch, message, topic, node):
            self._ordered(node, topic, payload, message.received_at)
            told = None if payload.time is None else Instant(payload.time * 1_000)
            at = message.received_at if told is None or not 0 < told <= message.received_at else told
            self._stale(batch, node, topic.device, at, Clock.RECEIPT if at == message.received_at else Clock.SOURCE)

    def _death(self, batch: Batch, message: Message, _topic: Topic, payload: Payload, node: Node) -> None:
        """Mark all of a node's metrics stale, from the receipt (5.7); the will of an earlier session says nothing.

        A number ahead of the birth's ends a session that began later, so this one has ended too.
        """
        number, born = _death_number(payload), node.death_number
        earlier = number is not None and born is not None and (number - born) % NUMBERS > NUMBERS // 2
        if node.alive and not earlier:
            self._stale(batch, node, None, message.received_at, Clock.RECEIPT)

    def _stale(self, batch: Batch, node: Node, device: str | None, at: Instant, clock: Clock) -> None:
        """Give each metric a sample without a value and with a bad status, later than its last."""
        if at <= node.latest < at + SECOND:
            at = Instant(node.latest + 1)
        addresses = node.die(device, at)
        samples = batch.samples
        count = len(addresses)
        samples.addresses.extend(addresses)
        samples.times.extend([at] * count)
        samples.values.extend([None] * count)
        samples.texts.extend([None] * count)
        samples.statuses.extend([_STALE] * count)
        samples.origins.extend([clock.value] * count)

    def _close(self, batch: Batch, node: Node, device: str, now: Instant) -> None:
        """End the gap that a death began."""
        dead = node.revive(device)
        if dead is not None and dead[1]:
            until = Instant(max(now, dead[0] + 1))
            batch.gaps.append(Gap(start=dead[0], until=until, cause=Cause.SOURCE_UNREACHABLE, addresses=dead[1]))

    def _ordered(self, node: Node, topic: Topic, payload: Payload, now: Instant) -> None:
        if node.order is not None and payload.seq is not None and payload.seq < NUMBERS:
            node.order.take(payload.seq, now)
            if node.order.since is not None:
                self._waiting[topic.node] = node

    def _known(self, batch: Batch, message: Message, topic: Topic, node: Node) -> bool:
        """Tell whether the node is born; a message of one that is not is a reject, and its births are asked for."""
        if node.alive:
            return True
        self._ask(topic.node, node, message.received_at)
        detail = "No birth of its edge node has been seen yet, so what it holds is not known; the births are asked for."
        batch.refuse(message, Reason.UNKNOWN_ADDRESS, detail)
        return False


def _death_number(payload: Payload) -> int | None:
    """Find the number that ties a birth to its death (6.4.21)."""
    number = next((metric.raw for metric in payload.metrics if metric.name == _DEATH_NUMBER), None)
    return number if isinstance(number, int) else None
