"""The broker from the `iotcore` wheel (rumqttd), the one that `fieldlab demo` runs.

It has a listener for each version of MQTT. It keeps persistent sessions and delivers QoS 1 again, but ignores receive
maximum and session expiry, forgets everything at its end, dies when the last member of a shared subscription leaves,
and closes a listener for everybody on a client id with any of `+ # $ /`.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.broker import Broker, BrokerName
from tests.servers.child import Child, Restartable, listens, start
from tests.servers.port import free_port
from tests.servers.scratch import scratch

CONFIGURATION = """
id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v4.1]
name = "v4-1"
listen = "127.0.0.1:{port_311}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 100
dynamic_filters = true

[v5.1]
name = "v5-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 100
dynamic_filters = true
"""


@contextmanager
def embedded_broker() -> Iterator[Broker]:
    """A fresh broker, gone at the end."""
    with scratch() as place:
        port, port_311 = free_port(), free_port()
        configuration, log = place / "rumqttd.toml", place / "broker.log"
        configuration.write_text(CONFIGURATION.format(port=port, port_311=port_311))

        def begin() -> Child:
            command = [sys.executable, "-m", "iotcore", "--log-level", "WARNING", "--config", str(configuration)]
            child = start("the embedded broker", command, log=log, stop_signal=signal.SIGKILL)
            child.wait_until(lambda: listens(port) and listens(port_311))
            return child

        server = Restartable(begin)
        server.start()
        try:
            yield Broker(
                name=BrokerName.EMBEDDED,
                host="127.0.0.1",
                port=port,
                port_311=port_311,
                start=server.start,
                stop=server.stop,
                kill=server.kill,
                honours_receive_maximum=False,
                shares_subscriptions=False,
                gives_topics_up=False,
                keeps_sessions_over_restart=False,
            )
        finally:
            server.stop()
