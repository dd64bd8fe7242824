"""Units of SenML (RFC 8428, 12.1, and RFC 8798) as UCUM codes."""

from typing import Final

_UCUM: Final = {
    "/": "1", "%": "%", "%RH": "%", "%EL": "%", "EL": "s", "A": "A", "A/m": "A/m", "Ah": "A.h", "B": "B", "Bq": "Bq",
    "Bspl": "B[SPL]", "C": "C", "C/m": "C/m", "Cel": "Cel", "F": "F", "F/m": "F/m", "GB": "GBy", "GHz": "GHz",
    "Gbit/s": "Gbit/s", "Gy": "Gy", "H": "H", "H/m": "H/m", "Hz": "Hz", "Ibs": "1", "J": "J", "J/m": "J/m", "K": "K",
    "KB": "kBy", "KB/s": "kBy/s", "KiB": "KiBy", "KV": "kV", "MB": "MBy", "MB/s": "MBy/s", "MHz": "MHz", "MV": "MV",
    "Mbit/s": "Mbit/s", "N": "N", "N/C": "N/C", "N/m": "N/m", "NTU": "[NTU]", "Ohm": "Ohm", "Pa": "Pa", "S": "S",
    "S/m": "S/m", "Sv": "Sv", "T": "T", "V": "V", "V/m": "V/m", "VA": "V.A", "VAs": "V.A.s", "W": "W", "W/m2": "W/m2",
    "Wb": "Wb", "Wh": "W.h", "1/min": "/min", "1/s": "/s", "beat/min": "/min", "beats": "1", "bit": "bit",
    "bit/s": "bit/s", "cd": "cd", "cd/m2": "cd/m2", "cm": "cm", "count": "1", "dB": "dB", "dBW": "dB[W]",
    "dBm": "dB[mW]", "deg": "deg", "g": "g", "gal": "[gal_us]", "gal/h": "[gal_us]/h", "ft": "[ft_i]", "h": "h",
    "hPa": "hPa", "in": "[in_i]", "kg": "kg", "kg/m3": "kg/m3", "km": "km", "km/h": "km/h", "kVA": "kV.A",
    "kVAh": "kV.A.h", "kVar": "kV.A", "kVarh": "kV.A.h", "kW": "kW", "kWh": "kW.h", "kat": "kat", "l": "l",
    "l/s": "l/s", "lat": "deg", "lm": "lm", "lon": "deg", "lx": "lx", "m": "m", "m/s": "m/s", "m/s2": "m/s2",
    "m2": "m2", "m3": "m3", "m3/s": "m3/s", "mA": "mA", "mV": "mV", "mW": "mW", "min": "min", "mm": "mm",
    "mm/h": "mm/h", "mol": "mol", "ms": "ms", "pH": "[pH]", "ppm": "[ppm]", "rad": "rad", "s": "s", "sr": "sr",
    "ug/m3": "ug/m3", "us": "us", "var": "V.A", "varh": "V.A.h", "vars": "V.A.s", "year": "a",
}  # fmt: skip


def ucum_of(unit: str) -> str:
    """Give the UCUM code of a SenML unit; one that is not known is given back as it is."""
    return _UCUM.get(unit, unit)
