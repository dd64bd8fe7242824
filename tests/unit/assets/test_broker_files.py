"""Who may do what at a broker, as the files say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.assets.broker_files import AssetTopics, BrokerFiles, DeviceAccount, GatewayAccount, broker_files
from fieldlab.assets.broker_password import hashed, new_password, verifies
from fieldlab.errors import Conflict


def gateway(
    *subscriptions: str, user: str = "gateway", sparkplug: bool = False, host_id: str | None = None
) -> GatewayAccount:
    return GatewayAccount(
        user=user, password_hash="$7$1$a$b", subscriptions=subscriptions, sparkplug=sparkplug, host_id=host_id
    )


MILL = DeviceAccount(user="mill-1", password_hash="$7$1$c$d", asset="mill-1")
PRESS = DeviceAccount(user="plc.7", password_hash="$7$1$e$f", asset="press-1")
BY_MOSQUITTO = (
    "$7$101$nB+IB7ykcb09Mp9r$Sp29XUGEMR3UbOZ08rIdjuLmbCeJ4AH88S15RotgNSOD3pbHZs2GdZitMgcEzVD6nd4xMmDIVQibymafd+67YQ=="
)
"""What `mosquitto_passwd -H sha512-pbkdf2` of mosquitto 2.0.21 wrote for the password m1ll."""


def files(*, subscriptions: tuple[str, ...] = ("lab/#",), **assets: AssetTopics) -> BrokerFiles:
    given = {name.replace("_", "-"): topics for name, topics in assets.items()}
    return broker_files(gateways=[gateway(*subscriptions)], devices=[PRESS, MILL], assets=given)


def topics(*addresses: str, declared: tuple[str, ...] = ()) -> AssetTopics:
    return AssetTopics(addresses=addresses, declared=declared)


def test_each_device_writes_its_own_topics_and_the_gateway_reads() -> None:
    written = files(
        mill_1=topics("lab/mill-1/t#a", "lab/mill-1/t#b.c", declared=("spBv1.0/lab/+/mill-1/#",)),
        press_1=topics("lab/press 1#x"),
    )
    assert written.passwords == "gateway:$7$1$a$b\nmill-1:$7$1$c$d\nplc.7:$7$1$e$f\n"
    assert written.rights.splitlines()[1:] == [
        *("", "user gateway", "topic read lab/#", ""),
        *("# mill-1", "user mill-1", "topic write lab/mill-1/t", "topic write spBv1.0/lab/+/mill-1/#", ""),
        *("# press-1", "user plc.7", "topic write lab/press 1"),
    ]
    assert written.remarks == ()


@pytest.mark.parametrize("address", ["lab/+/t#a", "a\nuser gateway\ntopic write x#a", "$SYS/x#a", "#a", "\0#a"])
def test_an_address_that_is_no_topic_gives_no_right(address: str) -> None:
    written = files(mill_1=topics(address), press_1=topics("p#x"))
    assert "topic write" not in written.rights.partition("user mill-1")[2].partition("user plc.7")[0]
    assert written.rights.count("user gateway") == 1
    assert any("is bound to mill-1 and no topic" in remark for remark in written.remarks)


@pytest.mark.parametrize("filter_", ["lab/#", "lab/+/t", "lab/press-1/t", "lab/press-1/#"])
def test_a_declared_filter_that_covers_anothers_topic_is_refused(filter_: str) -> None:
    with pytest.raises(Conflict, match=r"assets\.mill-1\.topics: .* covers lab/press-1/t of press-1"):
        files(mill_1=topics(declared=(filter_,)), press_1=topics("lab/press-1/t#a"))


def test_what_cannot_be_told_apart_is_remarked() -> None:
    written = files(mill_1=topics("lab/meter#a"), press_1=topics("lab/meter#b"))
    assert written.remarks == ("lab/meter carries values of mill-1, press-1: a device of one can send those of all.",)
    assert any("may publish nothing" in remark for remark in files(mill_1=topics("a#b")).remarks)


def test_a_shared_subscription_is_read_and_remarked() -> None:
    written = files(subscriptions=("$share/g/lab/+/t",), mill_1=topics("a#a"), press_1=topics("b#b"))
    assert "topic read lab/+/t\n" in written.rights
    assert "long random name" in written.remarks[0]


def test_a_sparkplug_edge_writes_as_its_node_and_hears_its_commands_and_the_host_alone() -> None:
    metrics = AssetTopics(addresses=(), declared=(), metrics=("spBv1.0/hall/cell/mill#power", "spBv1.0/hall/cell#load"))
    written = broker_files(
        gateways=[gateway("spBv1.0/hall/#", sparkplug=True, host_id="fieldlab")],
        devices=[MILL],
        assets={"mill-1": metrics},
    )
    host, _, edge = written.rights.partition("# mill-1\n")
    assert host.splitlines()[2:] == [
        "user gateway",
        "topic read spBv1.0/hall/#",
        "topic readwrite spBv1.0/STATE/fieldlab",
        "topic write spBv1.0/hall/NCMD/+",
        "",
    ]
    assert edge.splitlines() == [
        "user mill-1",
        *(f"topic write spBv1.0/hall/{verb}/cell" for verb in ("NBIRTH", "NDATA", "NDEATH")),
        *(f"topic write spBv1.0/hall/{verb}/cell/+" for verb in ("DBIRTH", "DDATA", "DDEATH")),
        *("topic read spBv1.0/hall/NCMD/cell", "topic read spBv1.0/hall/DCMD/cell/+", "topic read spBv1.0/STATE/+"),
    ]
    assert written.remarks == ()


def test_an_edge_node_of_several_assets_and_a_host_without_a_name_are_remarked() -> None:
    written = broker_files(
        gateways=[gateway("spBv1.0/#", sparkplug=True)],
        devices=[MILL, PRESS],
        assets={
            "mill-1": AssetTopics(addresses=(), declared=(), metrics=("spBv1.0/hall/cell/mill#power",)),
            "press-1": AssetTopics(addresses=(), declared=(), metrics=("spBv1.0/hall/cell/press#force",)),
        },
    )
    assert "topic write spBv1.0/+/NCMD/+" in written.rights
    assert any("options.payload.host_id" in remark for remark in written.remarks)
    assert any("spBv1.0/hall/NDATA/cell carries values of mill-1, press-1" in remark for remark in written.remarks)


@pytest.mark.parametrize(
    "address", ["spBv1.0/hall/+/mill#a", "spBv1.0/hall#a", "other/hall/cell#a", "spBv1.0/a/b/c/d#a"]
)
def test_what_is_no_address_of_a_metric_gives_no_right(address: str) -> None:
    written = files(mill_1=AssetTopics(addresses=(), declared=(), metrics=(address,)), press_1=topics("p#x"))
    assert "topic" not in written.rights.partition("user mill-1")[2].partition("user plc.7")[0]


def test_each_source_of_a_broker_has_a_user_of_its_own() -> None:
    two = [gateway("lab/#"), gateway("spBv1.0/#", user="host", sparkplug=True, host_id="h")]
    written = broker_files(gateways=two, devices=[MILL], assets={"mill-1": topics("lab/mill-1/t#a")})
    assert written.passwords.splitlines() == ["gateway:$7$1$a$b", "host:$7$1$a$b", "mill-1:$7$1$c$d"]
    assert written.rights.count("user ") == 3
    for same in ([gateway("a"), gateway("b")], [gateway("a", user="mill-1")]):
        with pytest.raises(Conflict, match="would put each other out"):
            broker_files(gateways=same, devices=[MILL], assets={})


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_password_verifies_itself_and_no_other(password: str, other: str) -> None:
    kept = hashed(password, iterations=1)
    assert verifies(password, kept)
    assert verifies(other, kept) == (other == password)


def test_passwords_are_kept_as_mosquitto_keeps_them() -> None:
    assert verifies("m1ll", BY_MOSQUITTO)
    assert not verifies("m2ll", BY_MOSQUITTO)
    assert new_password() != new_password()


@pytest.mark.parametrize("kept", ["", "$6$a$b", "$7$x$YQ==$YQ==", "$7$1$*$YQ==", "secret"])
def test_what_is_kept_otherwise_verifies_nothing(kept: str) -> None:
    assert not verifies("secret", kept)
