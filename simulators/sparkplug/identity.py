"""Who an edge node is, and the topics that follow from it (Sparkplug 3.0, chapter 4)."""

from dataclasses import dataclass

from simulators.errors import InvalidSettingError

_FORBIDDEN = frozenset("+/#")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """An edge node in a group; with `primary_host` it keeps silent while that host application is offline."""

    group: str = "fieldlab"
    node: str = "simulator"
    primary_host: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("group", self.group), ("node", self.node), ("primary_host", self.primary_host or "h")):
            if not value or _FORBIDDEN & set(value):
                raise InvalidSettingError(f"{name}={value!r} cannot stand in a topic: leave out '+', '/' and '#'")

    def topic(self, kind: str, device: str | None = None) -> str:
        """Give the topic of a message type, as NBIRTH, or DDATA with its device."""
        topic = f"spBv1.0/{self.group}/{kind}/{self.node}"
        return f"{topic}/{device}" if device else topic

    @property
    def state_topic(self) -> str | None:
        """Give the topic on which the primary host says whether it is online."""
        return f"spBv1.0/STATE/{self.primary_host}" if self.primary_host else None
