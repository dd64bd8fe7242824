"""The quality of a value: the upper 16 bits of an OPC UA StatusCode (OPC 10000-4, 7.39), 0 is good."""

from typing import Final

GOOD: Final = 0x0000
UNCERTAIN: Final = 0x4000
BAD: Final = 0x8000
BAD_NO_COMMUNICATION: Final = 0x8031
BAD_OUT_OF_RANGE: Final = 0x803C
BAD_NO_DATA: Final = 0x809B

_HALF: Final = 0x8000
_WHOLE: Final = 0x1_0000


def stored(code: int) -> int:
    """Turn a 32-bit StatusCode into what the database keeps: its upper half, as a signed 16-bit integer."""
    return signed(code >> 16)


def signed(upper_half: int) -> int:
    """Turn an upper half (0…65535) into the signed 16-bit integer of the column."""
    return upper_half - _WHOLE if upper_half >= _HALF else upper_half


def shown(column: int) -> int:
    """Turn the signed column back into the upper half of the StatusCode (0…65535), as answers give it."""
    return column % _WHOLE
