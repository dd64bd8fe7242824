"""How Python runs the ingest process, which holds much, makes next to none of it in circles, and works in threads."""

import gc
import sys
from typing import Final

_MORE: Final = 50_000
"""Objects that are made and not freed before Python looks at the youngest; by default it looks after each 700."""

_TURN: Final = 0.0001
"""Seconds for which a thread goes on while another one waits for its turn; 0.005 by default."""


def tune() -> None:
    """Look for garbage seldom, and let threads wait for a short time; for the process as a whole, at its start.

    Modules are never looked at again: with thousands of messages on their way, looking was a quarter of the processor
    time that a message takes. And who writes to the disk or the database waits for his turn after each answer, while
    the event loop decodes: with long turns the database had nothing to do for half of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_MORE, 10, 10)
    sys.setswitchinterval(_TURN)
