"""The options of `fieldlab simulate`, in the groups in which its help shows them."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.moment import moment_past

_WHO = "Who plays"
_HEARD = "How it is heard"
_OPCUA = "OPC UA server"
_WHEN = "When, and how fast"
_WRONG = "What goes wrong"
_SEEN = "What is shown"
_RECORDED = "Recordings"

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="MACHINE", help="mill, robot, moulding, packaging, meter, climate; or TYPE=NAME."),
]
Asset = Annotated[
    str | None, typer.Option(rich_help_panel=_WHO, help="Name of the one machine. [default: its type and -1]")
]
Assets = Annotated[
    int | None,
    typer.Option(min=1, max=100_000, rich_help_panel=_WHO, help="So many machines, mill-1, mill-2, …; types in turn."),
]
Seed = Annotated[
    int, typer.Option(rich_help_panel=_WHO, help="The same seed gives the same values to the bit; each machine one on.")
]
Mqtt = Annotated[
    str | None,
    typer.Option(
        metavar="URL", rich_help_panel=_HEARD, help="JSON to mqtt://[user@]host[:port], topic lab/ASSET/telemetry."
    ),
]
Sparkplug = Annotated[
    str | None,
    typer.Option(metavar="URL", rich_help_panel=_HEARD, help="Sparkplug B edge node on mqtt://[user@]host[:port]."),
]
Opcua = Annotated[
    str | None,
    typer.Option(metavar="URL", rich_help_panel=_HEARD, help="Server at opc.tcp://host:port, nodes s=ASSET/SIGNAL."),
]
MqttCa = Annotated[
    Path | None,
    typer.Option(metavar="FILE", rich_help_panel=_HEARD, help="PEM certificates that mqtts:// brokers must be of."),
]
MqttVersion = Annotated[str, typer.Option(rich_help_panel=_HEARD, metavar="5|3.1.1", help="Version of MQTT.")]
Node = Annotated[
    str, typer.Option("--sparkplug-node", metavar="GROUP/NODE", rich_help_panel=_HEARD, help="The edge node's name.")
]
Host = Annotated[
    str | None,
    typer.Option("--sparkplug-host", metavar="ID", rich_help_panel=_HEARD, help="Speak while this host is online."),
]
Vibration = Annotated[
    bool,
    typer.Option("--vibration", rich_help_panel=_HEARD, help="Mills: 10 kHz in frames on lab/ASSET/vibration (MQTT)."),
]
Batch = Annotated[
    int,
    typer.Option(
        "--mqtt-batch",
        min=1,
        max=500,
        metavar="N",
        rich_help_panel=_HEARD,
        help="Send late ticks N at once, as an array.",
    ),
]
OpcuaCertificates = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        envvar="FIELDLAB_SIMULATOR_OPCUA_CERTIFICATES",
        rich_help_panel=_OPCUA,
        help="Encrypt; server.der and server.pem are here, or made here.",
    ),
]
OpcuaUsers = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar="FIELDLAB_SIMULATOR_OPCUA_USERS",
        rich_help_panel=_OPCUA,
        help="Who may come in: a line NAME:PASSWORD each.",
    ),
]
OpcuaOpen = Annotated[
    bool, typer.Option("--opcua-open", rich_help_panel=_OPCUA, help="Keep the open endpoint beside the encrypted ones.")
]
From = Annotated[
    datetime | None,
    typer.Option(
        "--from",
        parser=moment_past,
        metavar="TIME",
        rich_help_panel=_WHEN,
        help="First play the past from here at full speed: an RFC 3339 time, or 10m, 2h, 7d back.",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        parser=moment_past,
        metavar="TIME",
        rich_help_panel=_WHEN,
        help="Stop here: now, a time, or 1h back.",
    ),
]
Seconds = Annotated[float | None, typer.Option(min=0, rich_help_panel=_WHEN, help="Stop after this long.")]
Rate = Annotated[float, typer.Option(min=0.001, max=1000, rich_help_panel=_WHEN, help="Ticks a second.")]
Speed = Annotated[
    float, typer.Option(min=0.001, rich_help_panel=_WHEN, help="60 plays an hour in a minute, from --from to now.")
]
Scenarios = Annotated[
    list[str] | None,
    typer.Option("--scenario", metavar="NAME|FILE", rich_help_panel=_WRONG, help="Play with these faults; repeatable."),
]
TruthFile = Annotated[
    Path | None,
    typer.Option("--truth", metavar="FILE", rich_help_panel=_WRONG, help="Write what is wrong, and when, as CSV."),
]
TruthStream = Annotated[
    bool,
    typer.Option(
        "--truth-stream", rich_help_panel=_WRONG, help="Tell it too: lab/ASSET/truth (MQTT), ASSET/truth (OPC UA)."
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(metavar="FILE", rich_help_panel=_SEEN, help="Draw signals and faults: .png, .svg or .pdf."),
]
Signals = Annotated[
    list[str] | None,
    typer.Option("--signal", metavar="NAME", rich_help_panel=_SEEN, help="Draw this only; may repeat."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", rich_help_panel=_SEEN, help="Show no progress.")]
Replay = Annotated[
    Path | None,
    typer.Option(metavar="FILE", rich_help_panel=_RECORDED, help="Play a CSV or Parquet file or a package."),
]
Owner = Annotated[
    str | None, typer.Option(metavar="NAME", rich_help_panel=_RECORDED, help="Of a package, play this owner's data.")
]
TimeColumn = Annotated[str, typer.Option(metavar="NAME", rich_help_panel=_RECORDED, help="Its column of times.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="NAME=SIGNAL", rich_help_panel=_RECORDED, help="Play this column, as a signal."),
]
Units = Annotated[
    list[str] | None,
    typer.Option("--unit", metavar="SIGNAL=UCUM", rich_help_panel=_RECORDED, help="Unit of a signal."),
]
Loop = Annotated[bool, typer.Option("--loop", rich_help_panel=_RECORDED, help="Over and over.")]
OwnTimes = Annotated[
    bool, typer.Option("--own-times", rich_help_panel=_RECORDED, help="At the times recorded, not from the start on.")
]
