"""A file that is written by a library and emptied by us: what was written since is sent."""

import io
from typing import Any


class Sink(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        """Tell that it takes bytes."""
        return True

    def tell(self) -> int:
        """Give how many bytes were written, taken or not."""
        return self._length

    def write(self, data: Any) -> int:  # noqa: ANN401 - whatever has a buffer
        """Keep bytes."""
        kept = bytes(data)
        self._written.append(kept)
        self._length += len(kept)
        return len(kept)

    def take(self) -> bytes:
        """Give what was written since the last time."""
        taken = b"".join(self._written)
        self._written.clear()
        return taken
