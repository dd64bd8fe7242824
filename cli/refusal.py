"""Telling a person what the simulators refuse: one sentence, exit status 2 for wrong input and 1 for anything else."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from simulators.errors import InvalidSettingError, SimulatorError

_FAILED, _USAGE = 1, 2


@contextmanager
def clearly() -> Iterator[None]:
    """End the command with the sentence of the first error of the simulators, also where it comes out of a group."""
    try:
        yield
    except* SimulatorError as group:
        error = _first(group)
        typer.echo(f"fieldlab: {error}", err=True)
        raise typer.Exit(_USAGE if isinstance(error, InvalidSettingError) else _FAILED) from None


def _first(group: BaseExceptionGroup[SimulatorError]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
