"""What a broker lets whom do, as mosquitto's password and ACL files: a pure account of the catalogue.

A device publishes on its own asset's topics, and on nothing else, and hears nothing. A gateway's user hears what its
source subscribes to, and publishes nothing. Sparkplug B needs more: an edge node hears commands to itself and whether
its host is online; the host says that it is, and commands.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from fieldlab.assets.topic import covers, is_topic, topic_of
from fieldlab.errors import Conflict

_SHARED: Final = "$share/"
_SPARKPLUG: Final = "spBv1.0"
_NODE_LEVELS: Final = (3, 4)
_HEAD: Final = "# Written by `fieldlab device files` from the catalogue; changes by hand are lost.\n"

LISTENER: Final = (
    _HEAD
    + """\
# Put these lines below the listener of the devices.
# A client's id is its user's name, so that nobody takes over another's session.
allow_anonymous false
use_username_as_clientid true
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A user of the broker, with its password as mosquitto keeps it."""

    user: str
    password_hash: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayAccount(Account):
    """The gateway as the user of one source, and the filters that it subscribes to.

    `sparkplug` tells that it is a Sparkplug host application, `host_id` under which name where that is configured.
    """

    subscriptions: tuple[str, ...] = ()
    sparkplug: bool = False
    host_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceAccount(Account):
    """A device of an asset."""

    asset: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetTopics:
    """Where an asset's values come from at this broker: the addresses that are bound, and the filters declared.

    `metrics` are addresses of Sparkplug metrics, whose messages go by other topics than the address.
    """

    addresses: tuple[str, ...]
    declared: tuple[str, ...]
    metrics: tuple[str, ...] = ()

    def joined(self, other: "AssetTopics") -> "AssetTopics":
        """Give this and what the asset publishes on for another source of the same broker."""
        return AssetTopics(
            addresses=(*self.addresses, *other.addresses),
            declared=tuple(dict.fromkeys([*self.declared, *other.declared])),
            metrics=(*self.metrics, *other.metrics),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerFiles:
    """The content of the files, and what whoever runs the broker should know."""

    passwords: str = field(repr=False)
    rights: str
    remarks: tuple[str, ...] = ()


def broker_files(
    *,
    gateways: Sequence[GatewayAccount],
    devices: Sequence[DeviceAccount],
    assets: Mapping[str, AssetTopics],
) -> BrokerFiles:
    """Write the files of one broker.

    Raises Conflict where a declared filter covers what another asset publishes on, as its devices could then speak for
    the other's, and where two have one user: a client's id is its user's name, so each would put the other out.
    """
    _refuse_shared_users([*gateways, *devices])
    remarks: list[str] = []
    topics = {slug: _topics(slug, one, remarks) for slug, one in sorted(assets.items())}
    _keep_apart(topics, assets, remarks)
    if any(one.startswith(_SHARED) for gateway in gateways for one in gateway.subscriptions):
        remarks.append(
            "A device that knows the group's name of a shared subscription can join it, and what it is sent is lost: "
            "mosquitto's files cannot forbid it. Give the group a long random name."
        )
    lines = [_HEAD.rstrip()]
    for gateway in sorted(gateways, key=lambda one: one.user):
        lines += ["", f"user {gateway.user}", *_rights_of(gateway, remarks)]
    for device in sorted(devices, key=lambda one: one.user):
        lines += ["", f"# {device.asset}", f"user {device.user}"]
        lines += [f"topic write {topic}" for topic in topics.get(device.asset, ())]
        lines += [f"topic read {topic}" for topic in _heard_by_edge(assets.get(device.asset))]
        if not topics.get(device.asset):
            remarks.append(f"{device.user} may publish nothing: no topic of {device.asset} is bound or declared here.")
    accounts = [*sorted(gateways, key=lambda one: one.user), *sorted(devices, key=lambda one: one.user)]
    passwords = "".join(f"{one.user}:{one.password_hash}\n" for one in accounts)
    return BrokerFiles(passwords=passwords, rights="\n".join(lines) + "\n", remarks=tuple(remarks))


def _topics(slug: str, asset: AssetTopics, remarks: list[str]) -> tuple[str, ...]:
    bound = sorted({topic_of(address) for address in asset.addresses})
    remarks += [
        f"{topic!r} is bound to {slug} and no topic of a device; nobody may publish on it."
        for topic in bound
        if not is_topic(topic)
    ]
    own = (topic for topic in bound if is_topic(topic))
    nodes = (f"{_SPARKPLUG}/{topic}" for node in _nodes(asset) for topic in _said_by(*node))
    return tuple(dict.fromkeys([*own, *nodes, *asset.declared]))


def _refuse_shared_users(accounts: Sequence[Account]) -> None:
    seen = set[str]()
    for one in accounts:
        if one.user in seen:
            raise Conflict(f"Two have the user {one.user} at one broker, and would put each other out; rename one.")
        seen.add(one.user)


def _rights_of(gateway: GatewayAccount, remarks: list[str]) -> list[str]:
    lines = [f"topic read {_unshared(one)}" for one in gateway.subscriptions]
    if not gateway.sparkplug:
        return lines
    if gateway.host_id is None:
        remarks.append(
            f"{gateway.user} may say of any Sparkplug host that it is online; name it in options.payload.host_id."
        )
    state = f"{_SPARKPLUG}/STATE/{gateway.host_id or '+'}"
    groups = dict.fromkeys(_group(_unshared(one)) for one in gateway.subscriptions)
    commands = [f"topic write {_SPARKPLUG}/{group}/NCMD/+" for group in groups if group]
    return [*lines, f"topic readwrite {state}", *commands]


def _group(filter_: str) -> str | None:
    """Give the group of edge nodes that a filter is about: `+` for all of them, None for none."""
    levels = filter_.split("/")
    if levels[0] not in {_SPARKPLUG, "+", "#"}:
        return None
    return "+" if len(levels) == 1 or levels[1] == "#" else levels[1]


def _nodes(asset: AssetTopics) -> list[tuple[str, str]]:
    """Give group and name of each edge node that sends the asset's metrics."""
    found = dict[tuple[str, str], None]()
    for address in asset.metrics:
        levels = topic_of(address).split("/")
        if levels[0] == _SPARKPLUG and len(levels) in _NODE_LEVELS and is_topic("/".join(levels)):
            found[levels[1], levels[2]] = None
    return sorted(found)


def _said_by(group: str, node: str) -> Iterator[str]:
    for verb in ("NBIRTH", "NDATA", "NDEATH"):
        yield f"{group}/{verb}/{node}"
    for verb in ("DBIRTH", "DDATA", "DDEATH"):
        yield f"{group}/{verb}/{node}/+"


def _heard_by_edge(asset: AssetTopics | None) -> list[str]:
    nodes = _nodes(asset) if asset is not None else []
    commands = [f"{_SPARKPLUG}/{group}/{rest}" for group, node in nodes for rest in (f"NCMD/{node}", f"DCMD/{node}/+")]
    return [*commands, f"{_SPARKPLUG}/STATE/+"] if commands else []


def _keep_apart(topics: Mapping[str, Iterable[str]], assets: Mapping[str, AssetTopics], remarks: list[str]) -> None:
    """Refuse filters that reach into another asset's topics; tell of topics that carry the values of several."""
    owners: dict[str, list[str]] = defaultdict(list)
    for slug, own in topics.items():
        for topic in own:
            owners[topic].append(slug)
    for slug, asset in assets.items():
        for filter_ in asset.declared:
            for topic, others in owners.items():
                strangers = [other for other in others if other != slug]
                if strangers and covers(filter_, topic):
                    raise Conflict(
                        f"assets.{slug}.topics: {filter_} covers {topic} of {strangers[0]}, for which the devices of "
                        f"{slug} could then speak; declare a narrower one."
                    )
    for topic, several in owners.items():
        if len(several) > 1:
            remarks.append(f"{topic} carries values of {', '.join(several)}: a device of one can send those of all.")


def _unshared(subscription: str) -> str:
    return subscription.split("/", 2)[2] if subscription.startswith(_SHARED) else subscription
