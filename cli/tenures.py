"""`fieldlab tenure`: who has a machine when, and lending one's own; asked with one's own key over HTTP."""

import json
from typing import Annotated, Any, Final

import typer

from cli.lab_client import Api, Token, answered, asking, every
from cli.moment import moment_ahead
from cli.time_line import drawn
from fieldlab.errors import InvalidInput, NotFound
from fieldlab.readings.instant import Instant

app: Final = typer.Typer(
    help="Lend a machine, take it back, and see who has it when.\n\nYour key needs `tenures:write`: with it you change "
    "the bookings of machines that are yours, and give back what you have booked. The operator's `lab:admin` changes "
    "every booking. A time is written like 2026-12-01T08:00:00Z, or `now` (the next whole minute), or `+2h`; bounds "
    "are whole minutes.",
    no_args_is_help=True,
)

Asset = Annotated[str, typer.Argument(help="The machine's slug, as `GET /v1/assets` lists it.", show_default=False)]
Streams = Annotated[
    list[str] | None, typer.Option("--stream", help="A single stream of it, by name; repeat for more. Else all.")
]
Json = Annotated[bool, typer.Option("--json", help="Print what the service answers, as JSON.")]


def _when(help_: str, *names: str) -> Any:  # noqa: ANN401 - what typer makes of it
    return typer.Option(*names, parser=moment_ahead, metavar="TIME", help=help_, show_default=False)


@app.command("show")
def show(asset: Asset, *, api: Api, token: Token, as_json: Json = False) -> None:
    """Show who has a machine when: all of it where it is yours or you run the lab, else your own part.

    Streams that have gone the same way share their lines; `█` is booked, `░` the home owner's, `│` is now.
    """
    with asking(api, token) as client:
        found = list(every(client, "/v1/tenures", asset=asset))
    if not found:
        raise NotFound(f"You have no part in a machine {asset!r}; GET /v1/assets lists those you can see.")
    _print(found, as_json=as_json)


@app.command("hand-over")
def hand_over(
    asset: Asset,
    to: Annotated[str, typer.Argument(help="The participant who gets it.", show_default=False)],
    *,
    api: Api,
    token: Token,
    start: Annotated[Instant, _when("Its first moment.", "--from")],
    until: Annotated[Instant | None, _when("The first moment after it; open without it.", "--until")] = None,
    trial: Annotated[str | None, typer.Option(help="The named use case; made if it is new.")] = None,
    stream: Streams = None,
    as_json: Json = False,
) -> None:
    """Give a machine, or some of its streams, to a participant for time that nobody has booked."""
    body = {"to": to, "from": str(start), "trial": trial, "until": None if until is None else str(until)}
    _change(api, token, f"/v1/assets/{asset}/hand-overs", {**body, "streams": stream or []}, as_json=as_json)


@app.command("extend")
def extend(
    asset: Asset,
    *,
    api: Api,
    token: Token,
    until: Annotated[Instant, _when("The first moment after it, later than it was.", "--until")],
    at: Annotated[Instant | None, _when("A moment in the booking; now without it.", "--at")] = None,
    stream: Streams = None,
    as_json: Json = False,
) -> None:
    """Let the booking in force at a time last longer, if nobody has booked that time."""
    body = {"at": str(at or Instant.now()), "until": str(until), "streams": stream or []}
    _change(api, token, f"/v1/assets/{asset}/extensions", body, as_json=as_json)


@app.command("return")
def give_back(
    asset: Asset,
    *,
    api: Api,
    token: Token,
    at: Annotated[Instant | None, _when("When it ends; the next whole minute without it.", "--at")] = None,
    stream: Streams = None,
    as_json: Json = False,
) -> None:
    """End the booking in force at a time there; the rest of it is the home owner's again.

    What you have booked you give back at any time; a booking of your machine you end from now on.
    """
    body = {"at": str(at or moment_ahead("now")), "streams": stream or []}
    _change(api, token, f"/v1/assets/{asset}/returns", body, as_json=as_json)


@app.command("correct")
def correct(
    asset: Asset,
    *,
    api: Api,
    token: Token,
    at: Annotated[Instant, _when("A moment in the wrong booking.", "--at")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the history and told to whom it concerns.")],
    to: Annotated[str | None, typer.Option(help="Who had it in truth; nobody without it.")] = None,
    start: Annotated[Instant | None, _when("With --to: its first moment in truth.", "--from")] = None,
    until: Annotated[Instant | None, _when("With --to: the first moment after it.", "--until")] = None,
    trial: Annotated[str | None, typer.Option(help="With --to: the named use case.")] = None,
    stream: Streams = None,
    as_json: Json = False,
) -> None:
    """Say that a booking was entered wrongly: it was never made, or was another.

    It holds for all later reads at once, of the past too; whoever loses or gains time is told in the ledger.
    """
    if (to is None) != (start is None):
        raise InvalidInput("Give --to and --from for another booking, or neither of them for none.")
    right = {"to": to, "from": start, "until": until, "trial": trial}
    body = {name: str(value) for name, value in right.items() if value is not None}
    body |= {"at": str(at), "reason": reason}
    _change(api, token, f"/v1/assets/{asset}/corrections", {**body, "streams": stream or []}, as_json=as_json)


def _change(api: str, token: str, path: str, body: dict[str, Any], *, as_json: bool) -> None:
    with asking(api, token) as client:
        _print(answered(client.post(path, json=body))["items"], as_json=as_json)


def _print(tenures: list[dict[str, Any]], *, as_json: bool) -> None:
    typer.echo(json.dumps(tenures, indent=2) if as_json else "\n".join(drawn(tenures, Instant.now())))
