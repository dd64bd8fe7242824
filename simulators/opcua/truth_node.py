"""What is wrong with a machine, as a variable beside its signals."""

from collections.abc import Sequence

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from simulators.machine import Machine
from simulators.opcua.nodes import attributes_of, item_at, named, stamp
from simulators.playback import wall_clock_us
from simulators.truth import Truth, wrong_at


class TruthNode:
    """The text `ns=…;s=<asset>/truth`: the faults of the moment joined by `+`, or `none`."""

    def __init__(self, machine: Machine, truth: Sequence[Truth], namespace: int) -> None:
        self.node = named(f"{machine.asset}/truth", namespace)
        self._owner = named(machine.asset, namespace)
        self._truth = tuple(one for one in truth if one.asset == machine.asset)
        self._shown = ""

    def item(self, time_us: int) -> ua.AddNodesItem:
        """Describe the node, holding the truth of that time."""
        text = ua.Variant(wrong_at(self._truth, time_us), ua.VariantType.String)
        item = item_at(
            self.node,
            self._owner,
            ObjectIds.HasComponent,
            "truth",
            self.node.NamespaceIndex,
            ObjectIds.BaseDataVariableType,
        )
        item.NodeAttributes = attributes_of(text, "truth", "What is wrong with the machine")
        return item

    def change(self, time_us: int) -> ua.DataValue | None:
        """Give the truth of that time, if it is not what was shown last."""
        now = wrong_at(self._truth, time_us)
        if now == self._shown:
            return None
        self._shown = now
        return ua.DataValue(
            ua.Variant(now, ua.VariantType.String),
            SourceTimestamp=stamp(time_us),
            ServerTimestamp=stamp(wall_clock_us()),
        )
