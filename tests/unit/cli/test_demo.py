"""When the demo goes on."""

from cli.demo.parts import Ports
from cli.demo.scene import SOURCES, lab
from cli.demo.stage import connected


def test_the_demo_waits_for_its_own_sources_and_for_none_that_a_visitor_added() -> None:
    own = {slug: {"state": "connected"} for slug in SOURCES}
    assert connected({"sources": own | {"meters": {"state": "disconnected"}}})
    assert not connected({"sources": own | {SOURCES[0]: {"state": "disconnected"}}})
    assert not connected({"sources": {SOURCES[0]: own[SOURCES[0]]}})
    assert not connected({})


def test_these_are_the_sources_of_the_demo_s_lab() -> None:
    assert set(lab(Ports(api=1, mqtt=2, mqtt_311=3, opcua=4, gateway=5)).sources) == set(SOURCES)
