"""Reads the time that a payload gives itself."""

from decimal import ROUND_FLOOR, Decimal
from typing import Final

from connectors.mqtt.payload import JsonPayload, TimeUnit
from fieldlab.errors import InvalidTime
from fieldlab.readings.instant import Instant

_MICROSECONDS: Final = {
    TimeUnit.SECONDS: Decimal(1_000_000),
    TimeUnit.MILLISECONDS: Decimal(1_000),
    TimeUnit.MICROSECONDS: Decimal(1),
    TimeUnit.NANOSECONDS: Decimal("0.001"),
}
_EARLIEST: Final = Instant.parse("0001-01-01T00:00:00Z")
_LATEST: Final = Instant.parse("9999-12-31T23:59:59.999999Z")


def moment_of(given: object, config: JsonPayload) -> Instant | None:
    """Read the time of a document: as `moment_at`, by the key and unit of the configuration."""
    return moment_at(given, name=repr(config.time), unit=config.time_unit)


def moment_at(given: object, *, name: str, unit: TimeUnit | None) -> Instant | None:
    """Read a time: RFC 3339 text with an offset, or a number in the unit; None for null or none.

    Digits below the microsecond are cut off. Raises InvalidTime with what to do; `name` tells where the time stands.
    """
    if given is None:
        return None
    if isinstance(given, str):
        return Instant.parse(given)
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise InvalidTime(f"{name} is no time; send RFC 3339 text like 2026-11-21T08:00:00Z, or a number.")
    if unit is None:
        raise InvalidTime(
            f"{name} is the number {given}, and its unit is not known; set options.payload.time_unit "
            "to s, ms, us or ns, or send RFC 3339 text like 2026-11-21T08:00:00Z."
        )
    return counted(given, name=name, unit=unit)


def counted(given: float | Decimal, *, name: str, unit: TimeUnit) -> Instant:
    """Turn a count from the Unix epoch into a time, exactly; raises InvalidTime for one that no calendar has."""
    try:
        exact = given if isinstance(given, Decimal) else Decimal(repr(given))
        micros = int((exact * _MICROSECONDS[unit]).to_integral_value(ROUND_FLOOR))
    except (ArithmeticError, ValueError):
        micros = _LATEST + 1
    if not _EARLIEST <= micros <= _LATEST:
        raise InvalidTime(
            f"{name} is {given}, which as {unit} from 1970 is outside the years 1 to 9999; "
            "check options.payload.time_unit."
        )
    return Instant(micros)
