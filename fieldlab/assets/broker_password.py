"""Passwords as mosquitto keeps them: PBKDF2 with SHA-512, `$7$iterations$salt$hash` (mosquitto_passwd, since 2.0)."""

import hashlib
import secrets
from base64 import b64decode, b64encode
from binascii import Error
from hmac import compare_digest
from typing import Final

ITERATIONS: Final = 10_000
"""A broker computes this at every connection, about 5 ms. Passwords of devices are random: none can be guessed."""

_SALT_BYTES: Final = 12
"""mosquitto 2.0 reads salts of this length only."""


def new_password() -> str:
    """Make a password of 192 random bits, of letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(24)


def hashed(password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """Write a password as mosquitto keeps it, with a salt of its own unless one is given."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    return f"$7${iterations}${b64encode(salt).decode()}${b64encode(key).decode()}"


def verifies(password: str, kept: str) -> bool:
    """Tell whether a kept password is this one."""
    try:
        _, kind, iterations, salt, _ = kept.split("$")
        return kind == "7" and compare_digest(
            hashed(password, salt=b64decode(salt, validate=True), iterations=int(iterations)), kept
        )
    except (ValueError, Error):
        return False
