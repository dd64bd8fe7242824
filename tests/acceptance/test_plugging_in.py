"""A device is plugged into a running demo in four steps, by what the demo prints and the documentation says."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.acceptance.test_demo import command
from tests.servers.child import wait_for
from tests.servers.scratch import scratch

pytestmark = pytest.mark.timeout(600)

PRINTED = re.compile(r"MQTT 3\.1\.1 at 127\.0\.0\.1:(\d+)|Bearer (\S+)' (http\S+)/v1/discoveries")


@pytest.fixture
def printed() -> Iterator[tuple[int, httpx.Client]]:
    """The port for devices, and a client with the operator's key, as a running demo prints them."""
    with scratch() as place:
        log = Path(place) / "log"
        with (
            log.open("wb") as output,
            subprocess.Popen(command(place / "demo"), stdout=output, stderr=subprocess.STDOUT) as demo,
        ):
            try:
                wait_for(lambda: "First rows after" in log.read_text() or demo.poll() is not None, "the demo")
                (port, _, _), (_, token, api) = PRINTED.findall(log.read_text())
                headers = {"Authorization": f"Bearer {token}"}
                with httpx.Client(base_url=api, headers=headers, timeout=60) as client:
                    yield int(port), client
            finally:
                demo.terminate()


def publish(port: int, topic: str, **values: object) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(topic, json.dumps(values), qos=1).wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


def until(client: httpx.Client, path: str, true: Callable[[list[object]], bool], what: str) -> None:
    def asked() -> bool:
        answer = client.get(path).raise_for_status().json()
        return true(answer["rows"] if "rows" in answer else [one["address"] for one in answer["items"]])

    wait_for(asked, what)


def test_a_stranger_s_meter_is_seen_bound_and_read_with_what_it_sent_before(
    printed: tuple[int, httpx.Client],
) -> None:
    port, client = printed
    power, voltage = (f"lab/meter-7/telemetry#{name}" for name in ("power", "voltage"))
    publish(port, "lab/meter-7/telemetry", power=1520.5, voltage=230.1)
    until(client, "/v1/discoveries", lambda found: {power, voltage} <= set(found), "what the meter sends is shown")

    refused = client.post("/v1/discoveries/bind", json={"source": "shop-floor", "asset": "meter-7"})
    assert (refused.status_code, "POST /v1/assets" in refused.json()["detail"]) == (404, True)
    meter = {"slug": "meter-7", "name": "Meter", "home_owner": "lab"}
    client.post("/v1/assets", json=meter).raise_for_status()
    one = {"source": "shop-floor", "address": power, "asset": "meter-7", "stream": "power", "unit": "W"}
    client.post("/v1/discoveries/bind", json=one).raise_for_status()
    rest = {"source": "shop-floor", "pattern": "lab/{asset}/telemetry#{stream}"}
    client.post("/v1/discoveries/bind", json=rest).raise_for_status()

    publish(port, "lab/meter-7/telemetry", power=1530.5, voltage=230.4)
    for stream in ("power", "voltage"):
        path = f"/v1/measurements?stream=meter-7.{stream}&last=15m"
        until(client, path, lambda rows: len(rows) == 2, f"both values of {stream}, the early one too")
