"""What a broker lets whom do, as mosquitto's password and ACL files: a pure account of the catalogue.

A device publishes on its own asset's topics, and on nothing else, and hears nothing. The gateway hears what its source
subscribes to, and publishes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from fieldlab.assets.topic import covers, is_topic, topic_of
from fieldlab.errors import Conflict

_SHARED: Final = "$share/"
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
class DeviceAccount(Account):
    """A device of an asset."""

    asset: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetTopics:
    """Where an asset's values come from at this broker: the addresses that are bound, and the filters declared."""

    addresses: tuple[str, ...]
    declared: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerFiles:
    """The content of the files, and what whoever runs the broker should know."""

    passwords: str = field(repr=False)
    rights: str
    remarks: tuple[str, ...] = ()


def broker_files(
    *,
    gateway: Account,
    subscriptions: Sequence[str],
    devices: Sequence[DeviceAccount],
    assets: Mapping[str, AssetTopics],
) -> BrokerFiles:
    """Write the files of one broker.

    Raises Conflict where a declared filter covers what another asset publishes on, as its devices could then speak for
    the other's.
    """
    remarks: list[str] = []
    topics = {slug: _topics(slug, one, remarks) for slug, one in sorted(assets.items())}
    _keep_apart(topics, assets, remarks)
    if any(one.startswith(_SHARED) for one in subscriptions):
        remarks.append(
            "A device that knows the group's name of a shared subscription can join it, and what it is sent is lost: "
            "mosquitto's files cannot forbid it. Give the group a long random name."
        )
    lines = [_HEAD.rstrip(), f"user {gateway.user}"]
    lines += [f"topic read {_unshared(one)}" for one in subscriptions]
    for device in sorted(devices, key=lambda one: one.user):
        lines += ["", f"# {device.asset}", f"user {device.user}"]
        lines += [f"topic write {topic}" for topic in topics.get(device.asset, ())]
        if not topics.get(device.asset):
            remarks.append(f"{device.user} may publish nothing: no topic of {device.asset} is bound or declared here.")
    accounts = [gateway, *sorted(devices, key=lambda one: one.user)]
    passwords = "".join(f"{one.user}:{one.password_hash}\n" for one in accounts)
    return BrokerFiles(passwords=passwords, rights="\n".join(lines) + "\n", remarks=tuple(remarks))


def _topics(slug: str, asset: AssetTopics, remarks: list[str]) -> tuple[str, ...]:
    bound = sorted({topic_of(address) for address in asset.addresses})
    remarks += [
        f"{topic!r} is bound to {slug} and no topic of a device; nobody may publish on it."
        for topic in bound
        if not is_topic(topic)
    ]
    return tuple(dict.fromkeys([*(topic for topic in bound if is_topic(topic)), *asset.declared]))


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
