"""Topics of Sparkplug B (specification 3.0, chapter 4)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NAMESPACE: Final = "spBv1.0"


class Verb(StrEnum):
    """The kinds of message between edge nodes and host applications."""

    NBIRTH = "NBIRTH"
    NDEATH = "NDEATH"
    DBIRTH = "DBIRTH"
    DDEATH = "DDEATH"
    NDATA = "NDATA"
    DDATA = "DDATA"
    NCMD = "NCMD"
    DCMD = "DCMD"


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """A topic read: `node` is `<group>/<edge node>`; `device` is empty in messages of the node itself."""

    verb: Verb
    node: str
    device: str = ""

    @property
    def prefix(self) -> str:
        """Give what the addresses of the node's or device's metrics begin with."""
        return f"{NAMESPACE}/{self.node}/{self.device}#" if self.device else f"{NAMESPACE}/{self.node}#"


def topic_of(text: str) -> Topic | None:
    """Read a topic; None for one that no edge node or device uses."""
    match text.split("/"):
        case ["spBv1.0", group, ("NBIRTH" | "NDEATH" | "NDATA" | "NCMD") as verb, node]:
            return Topic(verb=Verb(verb), node=f"{group}/{node}")
        case ["spBv1.0", group, ("DBIRTH" | "DDEATH" | "DDATA" | "DCMD") as verb, node, device]:
            return Topic(verb=Verb(verb), node=f"{group}/{node}", device=device)
        case _:
            return None


def command_topic(node: str) -> str:
    """Give the topic of commands to an edge node, `<group>/<edge node>`."""
    group, _, name = node.partition("/")
    return f"{NAMESPACE}/{group}/{Verb.NCMD}/{name}"


def state_topic(host_id: str) -> str:
    """Give the topic on which a host application says whether it is online."""
    return f"{NAMESPACE}/STATE/{host_id}"
