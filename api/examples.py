"""Requests that run against the lab of `fieldlab demo`: what the documentation shows, and a test tries one by one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

Fields = Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Examples:
    """The examples of one operation.

    `parameters` together are one request, which the documentation page fills in; `requests` are further ones, each an
    address with a sentence before it; `bodies` are named bodies.
    """

    parameters: Fields = field(default_factory=dict)
    requests: Mapping[str, str] = field(default_factory=dict)
    bodies: Mapping[str, Fields] = field(default_factory=dict)


_STREAM: Final = "mill-1.spindle_current"

AGREEMENT: Final = "8d0f6c0a-6c1e-4b57-9d1c-0f0d6f5f9a11"
"""Stands for the id of whichever agreement one has."""

EXPORT: Final = "5c9a1a52-0f0e-4c39-8f57-2b1f6f1c7d20"
"""Stands for the id of whichever export one has; it is ready."""

KEY: Final = "2f6f0d3e-6f0b-4a55-9a0e-3b1c7f2d9e44"
"""Stands for the id of whichever key one has."""

EXAMPLES: Final[Mapping[str, Examples]] = {
    "me": Examples(),
    "keys": Examples(requests={"The newest of them": "/v1/keys?limit=1"}),
    "issue_key": Examples(
        bodies={
            "for a notebook": {"principal": "notebook", "scopes": ["data:read"]},
            "for a screen in the hall": {"principal": "hall-screen", "scopes": ["data:read", "data:live"]},
            "for one stream alone": {"principal": "partner", "scopes": ["data:read"], "streams": [_STREAM]},
        }
    ),
    "revoke_key": Examples(parameters={"id": KEY}),
    "participants": Examples(requests={"A page of two": "/v1/participants?limit=2"}),
    "participant": Examples(parameters={"slug": "sme-a"}),
    "assets": Examples(),
    "asset": Examples(parameters={"slug": "mill-1"}),
    "add_asset": Examples(
        bodies={
            "a mill with the streams of its type": {
                "slug": "mill-9",
                "name": "Mill 9",
                "home_owner": "lab",
                "type": "mill",
                "leave_out": ["program"],
                "place": "hall 2, bay 4",
            },
            "a press of one's own": {
                "slug": "press-9",
                "name": "Forging press",
                "home_owner": "sme-a",
                "streams": {
                    "force": {"unit": "kN", "quantity": "force", "limits": {"low": 0, "high": 2500}},
                    "closed": {"kind": "boolean", "quantity": "switch"},
                },
            },
        }
    ),
    "change_asset": Examples(
        parameters={"slug": "mill-1"}, bodies={"it was moved": {"place": "hall 3", "description": "With a new drive"}}
    ),
    "streams": Examples(
        parameters={"asset": "mill-1"},
        requests={
            "Whatever has to do with the spindle": "/v1/streams?q=spindle",
            "All currents in ampere": "/v1/streams?unit=A",
        },
    ),
    "stream": Examples(parameters={"id": _STREAM}),
    "catalogue": Examples(
        parameters={"q": "spindle"},
        requests={"All rotational speeds of a machine": "/v1/catalogue?asset=mill-1&quantity=rotational%20speed"},
    ),
    "catalogue_as_dcat": Examples(parameters={"asset": "mill-1"}),
    "measurements": Examples(
        parameters={"stream": [_STREAM], "last": "15m"},
        requests={
            "A chart by the minute": f"/v1/measurements?stream={_STREAM}&last=1h&step=1m&aggregate=mean,min,max,count",
            "Two streams over a morning": f"/v1/measurements?stream={_STREAM}&stream=mill-1.spindle_speed"
            "&from=2026-11-21T08:00:00Z&until=2026-11-21T12:00:00Z",
            "A whole machine as CSV": "/v1/measurements?asset=mill-1&last=15m&format=csv",
            "The same with the segments above, as comments": "/v1/measurements?asset=mill-1&last=15m"
            "&format=text/csv;header=comment",
            "A chart of at most 500 points": f"/v1/measurements?stream={_STREAM}&points=500",
            "By the day in local time": f"/v1/measurements?stream={_STREAM}&from=2026-11-16T00:00:00%2B01:00"
            "&until=2026-11-23T00:00:00%2B01:00&step=1d&time_zone=Europe/Amsterdam&aggregate=time_weighted_mean,p95,delta",
            "Two streams on one time axis, without holes": f"/v1/measurements?stream={_STREAM}"
            "&stream=mill-1.spindle_speed&last=15m&step=10s&fill=linear&layout=wide",
            "What held at a moment": "/v1/measurements?asset=mill-1&as_of=2026-11-22T09:00:00Z",
            "Good samples only, a thousand a page": f"/v1/measurements?stream={_STREAM}&status=good&limit=1000",
        },
    ),
    "posted_measurements": Examples(
        bodies={
            "a chart of two streams": {
                "stream": [_STREAM, "mill-1.spindle_speed"],
                "last": "1h",
                "step": "PT1M",
                "aggregate": ["mean", "count"],
            },
            "a machine over a morning": {
                "asset": "mill-1",
                "from": "2026-11-21T08:00:00+01:00",
                "until": "2026-11-21T12:00:00+01:00",
                "limit": 1000,
            },
        }
    ),
    "segments": Examples(parameters={"stream": [_STREAM], "last": "1d"}),
    "posted_segments": Examples(bodies={"a machine": {"asset": "mill-1"}}),
    "gaps": Examples(
        parameters={"stream": [_STREAM], "last": "1d"}, requests={"A whole machine": "/v1/gaps?asset=mill-1"}
    ),
    "latest": Examples(
        parameters={"stream": [_STREAM]},
        requests={"All streams of a machine": "/v1/latest?asset=mill-1"},
    ),
    "live": Examples(parameters={"stream": [_STREAM]}),
    "exports": Examples(requests={"The newest of them": "/v1/exports?limit=1"}),
    "request_export": Examples(
        bodies={
            "a trial as a package": {"trial": "first-cut-sme-a"},
            "an hour of two streams by the second": {
                "stream": [_STREAM, "mill-1.spindle_speed"],
                "last": "1h",
                "step": "1s",
                "aggregate": ["mean", "max"],
            },
            "all that is yours": {"everything": True},
        }
    ),
    "export": Examples(parameters={"id": EXPORT}),
    "end_export": Examples(parameters={"id": EXPORT}),
    "export_package": Examples(parameters={"id": EXPORT}),
    "trials": Examples(),
    "trial": Examples(parameters={"slug": "first-cut-sme-a"}),
    "trial_package": Examples(parameters={"slug": "first-cut-sme-a"}),
    "tenures": Examples(parameters={"asset": "mill-1"}),
    "hand_over": Examples(
        parameters={"slug": "mill-1"},
        bodies={
            "a week for a trial": {
                "to": "sme-b",
                "from": "2031-01-06T08:00:00+01:00",
                "until": "2031-01-10T17:00:00+01:00",
                "trial": "tool-wear-2031",
            }
        },
    ),
    "extend": Examples(
        parameters={"slug": "mill-1"},
        bodies={"two days more": {"at": "2031-01-07T08:00:00+01:00", "until": "2031-01-12T17:00:00+01:00"}},
    ),
    "give_back": Examples(
        parameters={"slug": "mill-1"}, bodies={"after two days": {"at": "2031-01-08T08:00:00+01:00"}}
    ),
    "correct": Examples(
        parameters={"slug": "mill-1"},
        bodies={
            "it was an hour later": {
                "at": "2031-01-07T08:00:00+01:00",
                "to": "sme-b",
                "from": "2031-01-06T09:00:00+01:00",
                "until": "2031-01-08T08:00:00+01:00",
                "trial": "tool-wear-2031",
                "reason": "the trial began an hour late",
            }
        },
    ),
    "history": Examples(parameters={"slug": "mill-1"}),
    "book_trial": Examples(
        bodies={
            "a machine and a stream of another": {
                "slug": "joining-2031",
                "participant": "sme-b",
                "assets": ["mill-1"],
                "streams": ["robot-1.joint_1"],
                "from": "2031-03-03T08:00:00+01:00",
                "until": "2031-03-07T17:00:00+01:00",
            }
        }
    ),
    "extend_trial": Examples(
        parameters={"slug": "joining-2031"}, bodies={"two days more": {"until": "2031-03-09T17:00:00+01:00"}}
    ),
    "return_trial": Examples(
        parameters={"slug": "joining-2031"}, bodies={"after two days": {"at": "2031-03-05T08:00:00+01:00"}}
    ),
    "accesses": Examples(requests={"Who else read what was yours": "/v1/accesses?whose=others"}),
    "checkpoint": Examples(),
    "broken_glass": Examples(),
    "break_glass": Examples(
        bodies={
            "a burst of impossible values": {
                "streams": [_STREAM],
                "from": "2026-11-21T00:00:00Z",
                "reason": "values beyond the sensor's range flood the broker",
                "lasting": "15m",
            }
        }
    ),
    "erasures": Examples(),
    "erase": Examples(
        bodies={
            "an hour of a machine": {
                "streams": ["mill-1"],
                "from": "2031-02-01T08:00:00Z",
                "until": "2031-02-01T09:00:00Z",
                "reason": "a run with a secret part",
            }
        }
    ),
    "proof": Examples(parameters={"earlier": 0}),
    "accounts": Examples(
        requests={"One source from a day on": "/v1/ingest/accounts?source=shop-floor&since=2026-11-21"}
    ),
    "rejects": Examples(requests={"What came without a time zone": "/v1/rejects?reason=invalid_time"}),
    "release": Examples(parameters={"id": 1}),
    "discoveries": Examples(requests={"What arrives at one source": "/v1/discoveries?source=shop-floor"}),
    "bind": Examples(
        bodies={
            "one address": {
                "source": "shop-floor",
                "address": "lab/mill-1/telemetry#power",
                "asset": "mill-1",
                "stream": "power",
                "unit": "W",
            },
            "what a pattern covers": {
                "source": "shop-floor",
                "pattern": "lab/{asset}/telemetry#{stream}",
                "dry_run": True,
            },
            "a whole machine": {"source": "shop-floor", "asset": "mill-1", "dry_run": True},
        }
    ),
    "sources": Examples(),
    "source": Examples(parameters={"slug": "shop-floor"}),
    "add_source": Examples(
        bodies={
            "a broker of JSON messages": {
                "slug": "hall-2",
                "wire": "mqtt",
                "url": "mqtts://broker.example:8883",
                "options": {"topics": ["hall-2/#"], "user": "fieldlab", "password_env": "HALL_2_PASSWORD"},
            },
            "an OPC UA server": {
                "slug": "press",
                "wire": "opcua",
                "url": "opc.tcp://press.example:4840",
                "options": {
                    "security": "Basic256Sha256",
                    "user": "fieldlab",
                    "password_file": "/run/secrets/press",
                },
            },
        }
    ),
    "agreements": Examples(requests={"What holds now": "/v1/agreements?state=active"}),
    "propose": Examples(
        bodies={
            "your data by the minute, for research": {
                "grantee": "researcher",
                "enforced": {
                    "streams": [_STREAM],
                    "data": {"from": "2026-11-01T00:00:00Z"},
                    "resolution_floor": "60s",
                    "embargo": "1h",
                },
                "declared": {"purposes": ["tool-wear-research"], "licence": "CC-BY-NC-4.0"},
            },
            "samples of another's, for a month": {
                "owner": "sme-a",
                "enforced": {
                    "streams": [_STREAM, "mill-1.spindle_speed"],
                    "validity": {"until": "2031-01-01T00:00:00Z"},
                },
                "answer_within": "14d",
            },
        }
    ),
    "agreement": Examples(parameters={"id": AGREEMENT}),
    "odrl": Examples(parameters={"id": AGREEMENT}),
    "events": Examples(parameters={"id": AGREEMENT}),
    "receipt": Examples(parameters={"id": AGREEMENT}),
    "preview": Examples(parameters={"id": AGREEMENT, "stream": [_STREAM], "step": "1m"}),
    **{
        f"{action}_agreement": Examples(
            parameters={"id": AGREEMENT}, bodies={"with a reason": {"reason": "as agreed by telephone"}}
        )
        for action in ("approve", "reject", "withdraw", "suspend", "resume", "terminate")
    },
    "healthz": Examples(),
    "readyz": Examples(),
    "numbers": Examples(),
}
"""The examples of each operation, in the order in which they can be tried."""

ANSWER: Final[Fields] = {
    "decided_at": "2026-11-21T09:00:00.000000Z",
    "streams": [
        {
            "id": "0b0e4a4e-5d53-4d0f-9d53-3b7a4f6f3c11",
            "asset": "mill-1",
            "name": "spindle_current",
            "unit": "A",
            "nature": "real",
        }
    ],
    "segments": [
        {
            "segment": 0,
            "stream": "0b0e4a4e-5d53-4d0f-9d53-3b7a4f6f3c11",
            "from": "2026-11-21T08:00:00.000000Z",
            "until": "2026-11-21T09:00:00.000000Z",
            "owner": "sme-a",
            "trial": "tool-wear-2026",
            "basis": {"kind": "own"},
            "licence": None,
            "shape": {},
            "origins": ["live"],
            "gaps": [],
        }
    ],
    "checkpoint": {"size": 1204, "root": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    "columns": ["time", "stream", "value", "status", "segment"],
    "rows": [["2026-11-21T08:00:00.000000Z", "0b0e4a4e-5d53-4d0f-9d53-3b7a4f6f3c11", 3.91, 0, 0]],
    "next": None,
}
"""One page of measurements, as JSON."""

ANSWER_AS_CSV: Final = (
    "time,asset,stream,value,status,owner,segment\r\n"
    "2026-11-21T08:00:00.000000Z,mill-1,spindle_current,3.91,0,sme-a,0\r\n"
)
"""The same as CSV."""
