"""Units as OPC UA names them, as UCUM codes: the UNECE Recommendation 20 code in EUInformation (OPC 10000-8, 5.6.4)."""

from typing import Final

_UCUM: Final = {
    "C62": "1", "P1": "%", "59": "[ppm]", "C94": "/min", "RPM": "/min", "C97": "/s", "C00": "/h", "AMP": "A",
    "4K": "mA", "VLT": "V", "2Z": "mV", "KVT": "kV", "OHM": "Ohm", "D46": "V.A", "KVA": "kV.A", "D44": "var",
    "KVR": "kvar", "WTT": "W", "KWT": "kW", "MAW": "MW", "WHR": "W.h", "KWH": "kW.h", "MWH": "MW.h", "JOU": "J",
    "KJO": "kJ", "HTZ": "Hz", "KHZ": "kHz", "CEL": "Cel", "KEL": "K", "FAH": "[degF]", "DD": "deg", "C81": "rad",
    "2A": "rad/s", "E96": "deg/s", "NU": "N.m", "NEW": "N", "B47": "kN", "MTR": "m", "CMT": "cm", "MMT": "mm",
    "4H": "um", "MTS": "m/s", "C16": "mm/s", "H81": "mm/min", "2X": "m/min", "KMH": "km/h", "MTK": "m2",
    "MMK": "mm2", "MTQ": "m3", "CMQ": "cm3", "LTR": "L", "MLT": "mL", "L2": "L/min", "MQH": "m3/h", "MQS": "m3/s",
    "MSK": "m/s2", "BAR": "bar", "MBR": "mbar", "PAL": "Pa", "KPA": "kPa", "MPA": "MPa", "A97": "hPa", "KGM": "kg",
    "GRM": "g", "TNE": "t", "E93": "kg/h", "SEC": "s", "C26": "ms", "MIN": "min", "HUR": "h", "DAY": "d",
    "LUX": "lx", "2N": "dB", "LUM": "lm", "CDL": "cd", "Q30": "[pH]", "D10": "S/m", "KMQ": "kg/m3",
}  # fmt: skip


def ucum(unit_id: int, shown: str | None) -> str | None:
    """Give the UCUM code of a UnitId (the UNECE code as a big-endian number); else the text that the server shows."""
    if unit_id > 0:
        code = unit_id.to_bytes(4, "big").lstrip(b"\0").decode("ascii", "replace")
        if code in _UCUM:
            return _UCUM[code]
    return shown or None
