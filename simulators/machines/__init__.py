"""The machines that can be played, by the name of their type."""

from collections.abc import Mapping
from types import MappingProxyType

from simulators.machine import Machine
from simulators.machines.climate import Climate
from simulators.machines.meter import Meter
from simulators.machines.mill import Mill
from simulators.machines.moulding import Moulding
from simulators.machines.packaging import Packaging
from simulators.machines.robot import Robot

MACHINES: Mapping[str, type[Machine]] = MappingProxyType(
    {kind.type_name: kind for kind in (Mill, Robot, Moulding, Packaging, Meter, Climate)}
)
"""Every machine type by its name, as in `MACHINES["mill"](asset="mill-1", seed=7)`."""

__all__ = ["MACHINES", "Climate", "Meter", "Mill", "Moulding", "Packaging", "Robot"]
