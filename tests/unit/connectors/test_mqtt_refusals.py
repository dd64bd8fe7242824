"""Why a message was refused is shown to whoever runs the lab, so the sentence quotes none of what was measured."""

import pytest

from connectors.mqtt.payload import InfluxPayload, JsonPathPayload, JsonPayload, Payload, ScalarPayload, SenmlPayload
from tests.unit.connectors.decoding import decoded

MEASURED = "471147"


@pytest.mark.parametrize(
    ("payload", "config"),
    [
        (f"{MEASURED} kg", ScalarPayload(format="scalar", numbers_only=True)),
        (f"{MEASURED}\0", ScalarPayload(format="scalar")),
        (f"m f={MEASURED}.5i", InfluxPayload(format="influx")),
        (f"m f={MEASURED}{'0' * 20}i", InfluxPayload(format="influx")),
        (f"m f={MEASURED}x", InfluxPayload(format="influx")),
        (f"m f=-{MEASURED}u", InfluxPayload(format="influx")),
        (MEASURED, JsonPayload()),
        (f'"{MEASURED}"', JsonPayload()),
        (f'{{"a": {MEASURED},}}', JsonPayload()),
        (f'{{"a": {MEASURED}, "a": {MEASURED}}}', JsonPayload()),
        (f'{{"a": "{MEASURED}\\u0000"}}', JsonPayload()),
        (f'{{"b": {MEASURED}}}', JsonPathPayload(format="json_path", values={"a": "$.a"})),
        (f'{{"a": {{"b": {MEASURED}}}}}', JsonPathPayload(format="json_path", values={"a": "$.a"})),
        (f'[{{"n": "a", "v": "{MEASURED}"}}]', SenmlPayload(format="senml")),
        (f'[{{"n": "a", "vb": {MEASURED}}}]', SenmlPayload(format="senml")),
        (f'[{{"n": "a", "v": {MEASURED}, "vs": "{MEASURED}"}}]', SenmlPayload(format="senml")),
        (f'[{{"n": "a", "v": {MEASURED}', SenmlPayload(format="senml")),
    ],
)
def test_a_refusal_quotes_nothing_that_was_measured(payload: str, config: Payload) -> None:
    rejects = decoded(payload, config).rejects
    assert rejects
    assert [one.detail for one in rejects if MEASURED in one.detail] == []
