"""What a decoder raises inside itself; `into` turns it into a reject."""

from fieldlab.errors import InvalidInput
from fieldlab.readings.reject import Reason


class Refused(InvalidInput):
    """A message, or a part of it, becomes a reject; the text says what was wrong, where, and what to do."""

    def __init__(self, detail: str, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(detail)
        self.reason = reason
