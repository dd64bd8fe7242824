"""The two spellings of names: slugs (`mill-1`) and stream names (`spindle_current`)."""

import re
from typing import Annotated, Final

from pydantic import StringConstraints

SLUG: Final = r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?"
STREAM_NAME: Final = r"[a-z](?:[a-z0-9_]{0,62})"

Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG}$")]
"""Names a participant, asset, source or trial: small letters, digits and hyphens, 1 to 64 characters."""

StreamName = Annotated[str, StringConstraints(pattern=f"^{STREAM_NAME}$")]
"""Names a stream within its asset: small letters, digits and underscores, 1 to 63 characters, a letter first."""

SPELLINGS: Final = {
    f"^{SLUG}$": "write it with small letters, digits and hyphens, 64 at most, and no hyphen first or last",
    f"^{STREAM_NAME}$": "write it with small letters, digits and underscores, 63 at most, a letter first",
}
"""How each is to be written, by its pattern."""

_REFERENCE: Final = re.compile(f"({SLUG})\\.({STREAM_NAME})")


def split_reference(reference: str) -> tuple[str, str] | None:
    """Split `mill-1.spindle_current` into asset and stream name; None if it is not written so."""
    match = _REFERENCE.fullmatch(reference)
    return (match[1], match[2]) if match else None
