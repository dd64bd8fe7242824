"""What can go wrong while a machine is played. The message of each error says what to do."""


class SimulatorError(Exception):
    """Anything that keeps a simulated machine from being played."""


class InvalidSettingError(SimulatorError):
    """A setting makes no sense; the message names it and gives a value that would."""


class EndpointError(SimulatorError):
    """A face cannot open where it was told to; the message names the address and the option that changes it."""
