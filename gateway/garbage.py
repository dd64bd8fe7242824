"""When Python looks for garbage in the ingest process, which holds much and makes next to none in circles."""

import gc
from typing import Final

_MORE: Final = 5_000
"""Objects that are made and not freed before it looks at the youngest; by default it looks after each 700."""


def look_seldom() -> None:
    """Leave aside for good what there is now, and look at the rest seldom.

    For the process as a whole, at its start: modules are never looked at again. With thousands of messages on their
    way, looking was a quarter of the processor time that a message takes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_MORE, 10, 10)
