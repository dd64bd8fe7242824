"""`fieldlab simulate`: what is asked for, put together and played."""

from datetime import UTC, datetime
from typing import Final

from cli.refusal import clearly
from cli.simulate import options

_BROKER: Final = "mqtt://127.0.0.1:1883"


def simulate(
    machine: options.Words = None,
    *,
    asset: options.Asset = None,
    assets: options.Assets = None,
    seed: options.Seed = 1,
    mqtt: options.Mqtt = None,
    sparkplug: options.Sparkplug = None,
    opcua: options.Opcua = None,
    mqtt_ca: options.MqttCa = None,
    mqtt_version: options.MqttVersion = "5",
    mqtt_batch: options.Batch = 1,
    node: options.Node = "fieldlab/simulator",
    host: options.Host = None,
    vibration: options.Vibration = False,
    opcua_certificates: options.OpcuaCertificates = None,
    opcua_users: options.OpcuaUsers = None,
    opcua_open: options.OpcuaOpen = False,
    start: options.From = None,
    until: options.Until = None,
    seconds: options.Seconds = None,
    rate: options.Rate = 1.0,
    speed: options.Speed = 1.0,
    scenario: options.Scenarios = None,
    truth: options.TruthFile = None,
    truth_stream: options.TruthStream = False,
    replay: options.Replay = None,
    owner: options.Owner = None,
    time_column: options.TimeColumn = "time",
    column: options.Columns = None,
    unit: options.Units = None,
    loop: options.Loop = False,
    own_times: options.OwnTimes = False,
    plot: options.Plot = None,
    signal: options.Signals = None,
    quiet: options.Quiet = False,
) -> None:
    """Play machines over MQTT, Sparkplug B and OPC UA, on one of them or on all at once.

    `fieldlab simulate mill` publishes to the broker on this machine.
    `fieldlab simulate mill robot --opcua opc.tcp://127.0.0.1:4840` serves two.
    `fieldlab simulate mill --from 1h --until now --scenario worn-tool --mqtt mqtt://127.0.0.1 --truth truth.csv` plays
    an hour in which the tool wears too fast, and writes what was wrong, to score alarms with `fieldlab score`.

    A broker's password is taken from FIELDLAB_SIMULATOR_PASSWORD.
    """
    from rich.console import Console

    from cli.simulate import recorded
    from cli.simulate.cast import cast
    from cli.simulate.face import heard
    from cli.simulate.picture import picture
    from cli.simulate.plan import plan, span
    from cli.simulate.play import play
    from simulators.errors import InvalidSettingError
    from simulators.machines import MACHINES
    from simulators.truth import write_truth

    with clearly():
        now = datetime.now(UTC)
        cast_words = bool(machine) or assets is not None
        if not cast_words and replay is None:
            raise InvalidSettingError(f"say what to play: {', '.join(MACHINES)}; or --assets 10; or --replay FILE")
        own_name = asset if replay is None else None
        played = [*cast(machine or (), asset=own_name, assets=assets, seed=seed)] if cast_words else []
        if replay is not None:
            tape = recorded.tape(
                replay,
                time=time_column,
                columns=column or (),
                units=unit or (),
                owner=owner,
                asset=asset,
                loop=loop,
                own_times=own_times,
            )
            goes_on = loop or cast_words or seconds is not None
            start, until = tape.bounds(start, until, goes_on=goes_on, now=now)
            played += tape.machines(start or now)
        when = span(now=now, since=start, until=until, seconds=seconds, rate=rate, speed=speed)
        asked = plan(played, when, scenario or ())
        if mqtt is None and sparkplug is None and opcua is None and plot is None and truth is None:
            mqtt = _BROKER
        faces = heard(
            mqtt=mqtt,
            sparkplug=sparkplug,
            opcua=opcua,
            mqtt_ca=mqtt_ca,
            mqtt_version=mqtt_version,
            mqtt_batch=mqtt_batch,
            node=node,
            host=host,
            vibration=vibration,
            tells_truth=truth_stream,
            certificates=opcua_certificates,
            users=opcua_users,
            is_open=opcua_open,
        )
        if vibration and not any(one.type_name == "mill" for one in played):
            raise InvalidSettingError("--vibration is a mill's: no mill is played")
        console = Console(stderr=True, highlight=False)
        if replay is not None and tape.terms is not None and not quiet:
            console.print(tape.terms, soft_wrap=True)
        if truth is not None:
            write_truth(truth, asked.truth)
        if plot is not None:
            picture(asked, plot, signals=signal or (), console=console, quiet=quiet)
        if faces:
            play(asked, faces, console, quiet=quiet)
