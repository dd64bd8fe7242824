"""Units as edge nodes write them, as UCUM codes."""

from typing import Final

_UCUM: Final = {
    "°C": "Cel", "degC": "Cel", "deg C": "Cel", "C": "Cel", "°F": "[degF]", "degF": "[degF]", "°": "deg",
    "rpm": "/min", "RPM": "/min", "1/min": "/min", "kWh": "kW.h", "Wh": "W.h", "MWh": "MW.h", "VA": "V.A",
    "kVA": "kV.A", "var": "V.A", "Ω": "Ohm", "ohm": "Ohm", "psi": "[psi]", "PSI": "[psi]", "in": "[in_i]",
    "ft": "[ft_i]", "m³": "m3", "m²": "m2", "m³/h": "m3/h", "m/s²": "m/s2", "µm": "um", "Nm": "N.m",
    "l/min": "l/min", "L/min": "L/min", "pcs": "1", "count": "1",
}  # fmt: skip


def ucum_of(unit: str) -> str:
    """Give the UCUM code of a unit; one that is not known is given back as it is."""
    return _UCUM.get(unit.strip(), unit.strip())
