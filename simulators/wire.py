"""Wires that do not bring what they were given: lost, doubled, late, disordered, mistimed and broken messages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from simulators import noise


class WireFault(StrEnum):
    """What can be wrong with a wire. `share` is the part of the messages that meet it."""

    DROP_OUT = "drop_out"
    """Messages are not sent."""
    DUPLICATE = "duplicate"
    """Messages are sent twice."""
    OUT_OF_ORDER = "out_of_order"
    """Messages change places with the one after them."""
    CLOCK_SKEW = "clock_skew"
    """Messages carry a time that is off by `seconds`."""
    BURST = "burst"
    """Messages are held back and come all at once at the end."""
    GARBAGE = "garbage"
    """Messages are cut short, or are no JSON, or have texts where numbers belong."""
    RECONNECT_STORM = "reconnect_storm"
    """The connection breaks every `seconds` seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BadWire:
    """A fault of one machine's wire in [from_us, until_us), by the machine's time."""

    fault: WireFault
    from_us: int
    until_us: int
    share: float = 1.0
    seconds: float = 0.0

    def meets(self, seed: int, tick_us: int) -> bool:
        """Tell whether the message of this tick meets the fault: the same seed and tick, the same answer."""
        if not self.from_us <= tick_us < self.until_us:
            return False
        if self.share >= 1.0:
            return True
        return float(_draw(seed, self.fault, tick_us)) < self.share


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What is to be sent for one tick: the time it carries, and whether its payload is spoilt."""

    tick_us: int
    time_us: int
    spoilt: int | None = None
    breaks_connection: bool = False


class Wire:
    """Turns the ticks of one machine into messages, in the order in which they are to be sent.

    Remembers the messages that are held back; everything else depends on seed and tick alone.
    """

    def __init__(self, seed: int, faults: Sequence[BadWire] = ()) -> None:
        self._seed = seed
        self._faults = tuple(faults)
        self._swapped: list[Message] = []
        self._held: list[Message] = []
        self._storms: dict[BadWire, int] = {}

    @property
    def sound(self) -> bool:
        """Tell whether nothing is ever wrong with it."""
        return not self._faults

    @property
    def idle(self) -> bool:
        """Tell whether nothing is held back."""
        return not (self._held or self._swapped)

    def loses(self, tick_us: int) -> bool:
        """Tell whether the message of this tick is never sent."""
        return any(one.fault is WireFault.DROP_OUT and one.meets(self._seed, tick_us) for one in self._faults)

    def carry(self, tick_us: int) -> list[Message]:
        """Give the messages to send now that this tick is due."""
        if not self._faults:
            return [Message(tick_us=tick_us, time_us=tick_us)]
        met = {fault.fault: fault for fault in self._faults if fault.meets(self._seed, tick_us)}
        released: list[Message] = []
        if WireFault.BURST not in met:
            released, self._held = self._held, []
        message = self._message(tick_us, met)
        if message is None:
            return released
        copies = [message, message] if WireFault.DUPLICATE in met else [message]
        if WireFault.BURST in met:
            self._held += copies
            return released
        if WireFault.OUT_OF_ORDER in met and not self._swapped:
            self._swapped = copies
            return released
        late, self._swapped = self._swapped, []
        return [*released, *copies, *late]

    def rest(self) -> list[Message]:
        """Give what is still held back when the play ends."""
        rest, self._held, self._swapped = [*self._held, *self._swapped], [], []
        return rest

    def _message(self, tick_us: int, met: dict[WireFault, BadWire]) -> Message | None:
        if WireFault.DROP_OUT in met:
            return None
        message = Message(tick_us=tick_us, time_us=tick_us)
        if skew := met.get(WireFault.CLOCK_SKEW):
            message = replace(message, time_us=tick_us + round(skew.seconds * 1e6))
        if WireFault.GARBAGE in met:
            message = replace(message, spoilt=int(_draw(self._seed, "spoilt", tick_us) * 4))
        if storm := met.get(WireFault.RECONNECT_STORM):
            turn = (tick_us - storm.from_us) // max(round(storm.seconds * 1e6), 1)
            if self._storms.get(storm) != turn:
                self._storms[storm] = turn
                message = replace(message, breaks_connection=True)
        return message


def spoil(payload: bytes, way: int) -> bytes:
    """Give a payload that no decoder should take: cut short, not JSON, wrong in its types, or not even text."""
    match way % 4:
        case 0:
            return payload[: len(payload) // 2]
        case 1:
            return b"Error 42: sensor bus"
        case 2:
            return payload.replace(b":", b':"', 2)
        case _:
            return bytes(byte ^ 0xA5 for byte in payload[:64])


def _draw(seed: int, name: str, tick_us: int) -> float:
    return float(noise.uniform(noise.key(seed, f"wire/{name}"), np.array([tick_us], dtype=np.int64))[0])


def each(wire: Wire, ticks: Sequence[int]) -> Iterator[Message]:
    """Give all messages of these ticks, to the last one held back."""
    for tick in ticks:
        yield from wire.carry(tick)
    yield from wire.rest()
