"""The host application's part of the conversation with a broker (specification 3.0, 5.13 and 5.14)."""

import json

from connectors.mqtt.decode import Batch, Message
from connectors.mqtt.payload import SparkplugPayload
from connectors.mqtt.role import Post
from connectors.mqtt.sparkplug.host import HostApplication
from connectors.mqtt.sparkplug.payload import rebirth_request
from connectors.mqtt.sparkplug.topic import command_topic, state_topic
from fieldlab.readings.instant import Instant

_MS = 1_000


class HostRole:
    """Says that the host is online and offline, and asks edge nodes for their births."""

    forgets = True

    def __init__(self, config: SparkplugPayload, *, host_id: str) -> None:
        self.host = HostApplication(host_id=host_id, reorder_timeout=config.reorder_timeout)
        self.topics = (state_topic(host_id),)
        self._since = Instant(0)

    @property
    def due(self) -> Instant | None:
        """Tell when a message that is missing has been waited for long enough."""
        return self.host.next_check

    def will(self, now: Instant) -> Post | None:
        """Have the broker say that the host is offline; the birth that follows bears the same time."""
        self._since = now
        return self._state(now, online=False)

    def joined(self, now: Instant) -> list[Post]:
        """Say that the host is online, and ask the nodes that it knows for their births."""
        self.host.rejoin(now)
        self.host.announce = False
        return [self._state(self._since, online=True), *self._requests(now)]

    def leaving(self, now: Instant) -> list[Post]:
        """Say that the host is offline."""
        return [self._state(now, online=False)]

    def renewed(self) -> None:
        """Forget what births said: what was missed is not known."""
        self.host.renewed()

    def into(self, batch: Batch, message: Message) -> None:
        """Add what a message holds to a batch; raises nothing, whatever the payload holds."""
        self.host.into(batch, message)

    def after(self, batch: Batch, now: Instant) -> list[Post]:
        """Give up on what is missing for too long; ask for births, and say anew that the host is online if need be."""
        if self.host.next_check is not None:
            self.host.overdue(batch, now)
        posts = self._requests(now)
        if self.host.announce:
            self.host.announce = False
            posts.append(self._state(self._since, online=True))
        return posts

    def _requests(self, now: Instant) -> list[Post]:
        nodes, self.host.requests = self.host.requests, []
        payload = rebirth_request(now // _MS)
        return [Post(topic=command_topic(node), payload=payload, qos=0, retain=False) for node in nodes]

    def _state(self, at: Instant, *, online: bool) -> Post:
        payload = json.dumps({"online": online, "timestamp": at // _MS}).encode()
        return Post(topic=self.topics[0], payload=payload, qos=1, retain=True)
