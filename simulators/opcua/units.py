"""Units as OPC UA wants them: the UNECE Recommendation 20 code of each UCUM unit (OPC 10000-8, 5.6.4.3)."""

from asyncua import ua

_UNECE_URI = "http://www.opcfoundation.org/UA/units/un/cefact"
_CODES = {
    "1": ("C62", "1", "one"),
    "%": ("P1", "%", "percent"),
    "/min": ("C94", "1/min", "reciprocal minute"),
    "/h": ("C00", "1/h", "reciprocal hour"),
    "A": ("AMP", "A", "ampere"),
    "V": ("VLT", "V", "volt"),
    "V.A": ("D46", "VA", "volt-ampere"),
    "var": ("D44", "var", "var"),
    "W": ("WTT", "W", "watt"),
    "kW.h": ("KWH", "kW·h", "kilowatt hour"),
    "Hz": ("HTZ", "Hz", "hertz"),
    "Cel": ("CEL", "°C", "degree Celsius"),
    "K": ("KEL", "K", "kelvin"),
    "deg": ("DD", "°", "degree [unit of angle]"),
    "N.m": ("NU", "N·m", "newton metre"),
    "mm": ("MMT", "mm", "millimetre"),
    "mm/s": ("C16", "mm/s", "millimetre per second"),
    "mm/min": ("H81", "mm/min", "millimetre per minute"),
    "cm3": ("CMQ", "cm³", "cubic centimetre"),
    "m/s2": ("MSK", "m/s²", "metre per second squared"),
    "bar": ("BAR", "bar", "bar [unit of pressure]"),
    "Pa": ("PAL", "Pa", "pascal"),
    "hPa": ("A97", "hPa", "hectopascal"),
    "kN": ("B47", "kN", "kilonewton"),
    "g": ("GRM", "g", "gram"),
    "s": ("SEC", "s", "second [unit of time]"),
    "lx": ("LUX", "lx", "lux"),
    "[ppm]": ("59", "ppm", "part per million"),
    "dB[A]": ("2N", "dB", "decibel"),
}


def engineering_units(ucum: str) -> ua.EUInformation:
    """Give the EUInformation of a UCUM unit: its UnitId is the UNECE code as a big-endian number, or -1 without one."""
    if ucum not in _CODES:
        return ua.EUInformation(UnitId=-1, DisplayName=ua.LocalizedText(ucum), Description=ua.LocalizedText(ucum))
    code, shown, name = _CODES[ucum]
    return ua.EUInformation(
        NamespaceUri=_UNECE_URI,
        UnitId=int.from_bytes(code.encode(), "big"),
        DisplayName=ua.LocalizedText(shown),
        Description=ua.LocalizedText(name),
    )
