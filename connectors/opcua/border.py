"""Where what asyncua and the network raise becomes our own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fieldlab.errors import InvalidSettings, Unavailable

PATIENCE: Final = 10.0
"""Seconds that the server has for the answer to any request but publish."""


@contextmanager
def border() -> Iterator[None]:
    """Translate what asyncua and the network raise, which may be anything, into Unavailable."""
    try:
        yield
    except (Unavailable, InvalidSettings):
        raise
    except TimeoutError:
        raise Unavailable(f"no answer within {PATIENCE:.0f} s") from None
    except Exception as error:
        raise Unavailable(str(error) or type(error).__name__) from error


def heed_cancellation() -> None:
    """Raise the cancellation that this task was asked for, where asyncio.wait_for, by which asyncua connects, lost it.

    Before Python 3.12 it does so when what it waits for ends at the same moment (cpython issue 86296).
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
