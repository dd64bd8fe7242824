"""A running MQTT broker, as a test sees it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class BrokerName(StrEnum):
    """The brokers that the suite runs on."""

    EMBEDDED = "embedded"
    MOSQUITTO = "mosquitto"


@dataclass(frozen=True, kw_only=True)
class Broker:
    """An MQTT broker on the loopback, open to everybody. `port` speaks MQTT 5, `port_311` MQTT 3.1.1; they may be one.

    `stop`, `start` and `kill` act on the broker itself: use them on a `private_broker` only. The flags tell what it can
    and cannot do, each of them seen on the broker itself.
    """

    name: BrokerName
    host: str
    port: int
    port_311: int
    start: Callable[[], None] = field(repr=False)
    stop: Callable[[], None] = field(repr=False)
    kill: Callable[[], None] = field(repr=False)
    honours_receive_maximum: bool
    shares_subscriptions: bool
    gives_topics_up: bool
    keeps_sessions_over_restart: bool
