"""How soon an address that nobody knew is shown: from publishing its first value to the query service's answer."""

import json
import time
from collections.abc import Mapping
from typing import Final

import httpx
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench.figure import Experiment, Figure
from bench.floor import floor
from tests.servers.engine import Engine

ADDRESSES: Final = 25
PATIENCE: Final = 20.0
POLL: Final = 0.01
APART: Final = 0.37
"""Seconds between two new addresses: no multiple of anything that the gateway does from time to time."""


def _discovery(engine: Engine) -> Mapping[str, float]:
    """Publish on one new topic after the other, and ask for discoveries until it is among them."""
    delays: list[float] = []
    with floor(engine) as lab:
        lab.declare()
        lab.gateway()
        operator = lab.api(scopes=("data:read", "lab:admin"))
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.connect(lab.broker.host, lab.broker.port)
        client.loop_start()
        for turn in range(ADDRESSES):
            begun = time.perf_counter()
            client.publish(f"lab/new-{turn}/telemetry", json.dumps({"power": turn}), qos=1).wait_for_publish(10)
            while f"lab/new-{turn}/telemetry#power" not in _addresses(operator):
                if time.perf_counter() > begun + PATIENCE:
                    raise RuntimeError(f"an address is not discovered after {PATIENCE} s")
                time.sleep(POLL)
            delays.append(time.perf_counter() - begun)
            time.sleep(APART)
        client.disconnect()
        client.loop_stop()
    return {"ingest.discovery_seconds": max(delays)}


def _addresses(client: httpx.Client) -> set[str]:
    found = client.get("/v1/discoveries", params={"limit": 1000}).json()["items"]
    return {item["address"] for item in found}


EXPERIMENTS: Final = (
    Experiment(
        figures=(
            Figure(
                name="ingest.discovery_seconds",
                meaning="an unknown address published → shown by the query service, the slowest of 25",
                most=2.0,
            ),
        ),
        run=_discovery,
    ),
)
