"""What words and options of `fieldlab simulate` come to, and what it says to those that make no sense."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.simulate.cast import cast
from cli.simulate.face import broker
from cli.simulate.plan import plan, span
from simulators.errors import InvalidSettingError
from simulators.mqtt.broker import MqttVersion
from simulators.truth import read_truth

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("words", "assets", "names"),
    [
        (["mill"], None, ["mill-1"]),
        (["mill", "robot", "mill"], None, ["mill-1", "robot-1", "mill-2"]),
        (["mill=press-7", "mill"], None, ["press-7", "mill-2"]),
        (["mill", "robot"], 3, ["mill-1", "robot-1", "mill-2"]),
        ([], 7, ["mill-1", "robot-1", "moulding-1", "packaging-1", "meter-1", "climate-1", "mill-2"]),
    ],
)
def test_machines_are_numbered_among_their_own_and_named_where_wanted(
    words: list[str], assets: int | None, names: list[str]
) -> None:
    machines = cast(words, asset=None, assets=assets, seed=5)
    assert [machine.asset for machine in machines] == names
    assert [machine.seed for machine in machines] == list(range(5, 5 + len(names))), "no two run in step"


def test_a_play_faster_than_life_ends_when_it_meets_the_present() -> None:
    fast = span(now=NOON, since=NOON - HOUR, until=None, seconds=None, rate=1, speed=61)
    assert fast.until == NOON + timedelta(minutes=1), "61 minutes are played in one"
    short = span(now=NOON, since=NOON - HOUR, until=None, seconds=10, rate=1, speed=60)
    assert short.until == NOON - HOUR + timedelta(minutes=10)
    live = span(now=NOON, since=None, until=None, seconds=None, rate=1, speed=1)
    assert (live.start, live.until, live.past_until) == (NOON, None, None)


def test_the_truth_is_that_of_what_is_played() -> None:
    machines = cast(["mill"], asset=None, assets=None, seed=1)
    whole = span(now=NOON, since=NOON - HOUR, until=NOON, seconds=None, rate=1, speed=1)
    part = span(now=NOON, since=NOON - HOUR, until=NOON - HOUR / 2, seconds=None, rate=1, speed=1)
    none = span(now=NOON, since=NOON - HOUR, until=NOON - HOUR * 0.9, seconds=None, rate=1, speed=1)
    lengths = [[one.until_us - one.from_us for one in plan(machines, at, ["worn-tool"]).truth] for at in (whole, part)]
    assert lengths == [[35 * 60_000_000], [20 * 60_000_000]]
    assert plan(machines, none, ["worn-tool"]).truth == ()


def test_a_broker_is_read_from_its_address_and_its_password_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FIELDLAB_SIMULATOR_PASSWORD", "secret")
    plain = broker("mqtt://h", "--mqtt")
    assert (plain.host, plain.port, plain.user, plain.password, plain.ca_file) == ("h", 1883, None, None, None)
    safe = broker("mqtts://mill@h:9000", "--mqtt", ca_file=tmp_path, version="3.1.1")
    assert (safe.port, safe.user, safe.password, safe.ca_file) == (9000, "mill", "secret", tmp_path)
    assert safe.version is MqttVersion.V311


@pytest.mark.parametrize(
    "url", ["http://h", "mqtt://", "mqtt://h:port", "mqtt://h:99999", "mqtt://h:", "mqtts://h", "mqtt://u:p@h"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidSettingError, match="--mqtt"):
        broker(url, "--mqtt")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lathe", "there is no machine 'lathe'; choose mill"),
        ("mill robot --asset m", "--asset names one machine"),
        ("mill=a --assets 2", "--assets numbers its machines itself"),
        ("mill=a robot=a --plot p.png", "two machines are called 'a'"),
        ("mill --speed 60", "--speed 60 needs --from"),
        ("mill --until 1h", "--until must lie after"),
        ("mill --until now --seconds 3", "give one of them"),
        ("mill --scenario nope", "there is no scenario 'nope'; choose bad-bearing"),
        ("robot --scenario worn-tool", "names 'mill-1', which is not played"),
        ("mill --opcua http://h", "is not opc.tcp://"),
        ("mill --opcua opc.tcp://h --opcua-users u", "needs --opcua-certificates"),
        ("mill --opcua opc.tcp://h --opcua-certificates c --opcua-users nobody", "nobody cannot be read"),
        ("mill --sparkplug mqtt://h --sparkplug-node x", "is not GROUP/NODE"),
        ("mill --sparkplug mqtt://h --truth-stream", "--truth-stream is told over MQTT and OPC UA"),
        ("robot --mqtt mqtt://h --vibration", "no mill is played"),
        ("mill --mqtt mqtt://h --mqtt-version 4", "it is 5 or 3.1.1"),
        ("mill --plot p.jpg", "give it the ending .png"),
        ("mill --plot p.png --signal x", "no machine that is played has a signal 'x'"),
        ("--assets 12 --plot p.png", "choose some with --signal"),
        ("--replay none.csv", "none.csv cannot be read"),
        ("--replay none.csv --unit a", "--unit 'a' is not SIGNAL=UCUM"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_status_2(line: str, said: str) -> None:
    refused = CliRunner().invoke(app, ["simulate", *line.split()])
    assert refused.exit_code == 2, refused.output
    assert said in refused.output
    assert refused.output.startswith("fieldlab: ")
    assert refused.output.count("\n") == 1


def test_without_a_face_it_draws_and_tells_the_truth(tmp_path: Path) -> None:
    truth, picture = tmp_path / "truth.csv", tmp_path / "out.png"
    line = f"mill --from 1h --until now --scenario worn-tool --truth {truth} --plot {picture} --signal spindle_current"
    done = CliRunner().invoke(app, ["simulate", *line.split()])
    assert done.exit_code == 0, done.output
    assert [(one.asset, one.fault) for one in read_truth(truth)] == [("mill-1", "tool_wear")]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_drawing_without_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "simulators.plot", None)
    refused = CliRunner().invoke(app, ["simulate", "mill", "--plot", str(tmp_path / "out.png")])
    assert refused.exit_code == 2
    assert "pip install 'fieldlab[plots]'" in refused.output
