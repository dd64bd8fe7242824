"""A host application keeps to the Sparkplug specification 3.0, whatever edge nodes send."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.decode import Batch
from connectors.mqtt.sparkplug.data_type import DataType, value_of
from connectors.mqtt.sparkplug.payload import REBIRTH, read, rebirth_request
from fieldlab.assets.asset import Kind
from fieldlab.assets.description import Description
from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock, Origin
from fieldlab.readings.reject import Reason
from fieldlab.readings.status import BAD, BAD_NO_COMMUNICATION, BAD_NO_DATA, GOOD, signed
from simulators.sparkplug import payload as foreign
from tests.unit.connectors.sparkplug_edge import MS, START, Edge, by_address, metric, payload

MILL = "spBv1.0/lab/cell/mill#"
CELL = "spBv1.0/lab/cell#"


@pytest.fixture
def edge() -> Edge:
    """A node that is born, with a device of two metrics."""
    one = Edge()
    one.birth(metric(REBIRTH, value=False, data_type=DataType.BOOLEAN))
    one.send(
        "DBIRTH",
        metric("power", 10.0, alias=1, unit="kW"),
        metric("state", "idle", DataType.STRING, alias=2),
        device="mill",
    )
    return one


def causes(batch: Batch) -> list[Cause]:
    return [gap.cause for gap in batch.gaps]


def test_births_give_values_and_say_kind_and_unit() -> None:
    edge = Edge()
    node = edge.birth(metric("temperature", 21.5, unit="°C"))
    assert by_address(node) == {f"{CELL}temperature": 21.5}
    assert node.described == [Description(address=f"{CELL}temperature", kind=Kind.NUMBER, unit="Cel")]
    device = edge.send("DBIRTH", metric("on", value=True, data_type=DataType.BOOLEAN), device="mill")
    assert by_address(device) == {f"{MILL}on": 1}
    assert device.described == [Description(address=f"{MILL}on", kind=Kind.BOOLEAN, unit=None)]
    assert node.rejects == device.rejects == []


def test_births_say_what_a_metric_is_where_their_properties_do() -> None:
    said = {"documentation": " Hot end \n", "quantity": "temperature", "irdi": "0112/2///61987#ABA565#007"}
    batch = Edge().birth(
        metric("hot", 21.5, unit="°C", said={**said, "engLow": -40.0, "engHigh": 300.0}),
        metric("odd", 1.0, said={"engLow": 5.0, "engHigh": float("nan"), "description": ""}),
    )
    assert batch.described == [
        Description(
            address=f"{CELL}hot",
            kind=Kind.NUMBER,
            unit="Cel",
            quantity="temperature",
            text="Hot end",
            semantic_id="0112/2///61987#ABA565#007",
            low=-40.0,
            high=300.0,
        ),
        Description(address=f"{CELL}odd", kind=Kind.NUMBER),
    ]
    assert batch.rejects == []


def test_data_are_known_by_alias_or_name(edge: Edge) -> None:
    batch = edge.send(
        "DDATA",
        metric(value=11.0, alias=1, timestamp=MS + 5),
        metric(value="run", data_type=DataType.STRING, alias=2),
        device="mill",
    )
    assert by_address(batch) == {f"{MILL}power": 11, f"{MILL}state": "run"}
    assert batch.samples.times == [(MS + 5) * 1000, MS * 1000]
    assert batch.samples.origins == [Clock.SOURCE] * 2
    assert by_address(edge.send("DDATA", metric("power", 12.0), device="mill")) == {f"{MILL}power": 12}
    assert edge.requests() == []


def test_a_sample_without_any_time_gets_that_of_its_receipt(edge: Edge) -> None:
    batch = edge.send("DDATA", metric(value=11.0, alias=1), device="mill", time=None)
    assert (batch.samples.times, batch.samples.origins) == ([edge.now], [Clock.RECEIPT])


def test_history_is_marked_transient_is_left_out_and_null_has_a_bad_status(edge: Edge) -> None:
    batch = edge.send(
        "DDATA",
        metric(value=1.0, alias=1, is_historical=True, timestamp=MS - 1000),
        metric(value="x", data_type=DataType.STRING, alias=2, is_transient=True),
        metric(alias=1, is_null=True),
        device="mill",
    )
    assert batch.samples.addresses == [f"{MILL}power"] * 2
    assert batch.samples.origins == [Origin.HISTORY, Origin.LIVE]
    assert batch.samples.statuses == [GOOD, signed(BAD_NO_DATA)]
    assert batch.samples.values == [1, None]


@pytest.mark.parametrize(("quality", "status"), [(192, 0), (0, BAD), (500, BAD_NO_COMMUNICATION)])
def test_a_quality_becomes_a_status(edge: Edge, quality: int, status: int) -> None:
    batch = edge.send("DDATA", metric(value=1.0, alias=1, quality=quality), device="mill")
    assert batch.samples.statuses == [signed(status)]


@given(
    st.sampled_from([(DataType.INT8, 8), (DataType.INT16, 16), (DataType.INT32, 32), (DataType.INT64, 64)]), st.data()
)
def test_signed_integers_come_out_of_unsigned_fields(kind: tuple[DataType, int], data: st.DataObject) -> None:
    data_type, bits = kind
    number = data.draw(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    for width in {bits, max(bits, 32), 64}:
        assert value_of(number % 2**width, data_type) == float(number)


@pytest.mark.parametrize(
    ("data_type", "raw", "values"),
    [
        (DataType.INT16_ARRAY, struct.pack("<3h", -1, 0, 7), [-1, 0, 7]),
        (DataType.DOUBLE_ARRAY, struct.pack("<2d", 1.5, -2), [1.5, -2]),
        (DataType.BOOLEAN_ARRAY, b"\x0c\0\0\0\x34\x50", [0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 0, 1]),
        (DataType.STRING_ARRAY, b"ABC\0hello\0", ["ABC", "hello"]),
    ],
)
def test_an_array_is_one_sample_an_element(data_type: DataType, raw: bytes, values: list[float | str]) -> None:
    batch = Edge().birth(metric("list", raw, data_type))
    assert by_address(batch) == {f"{CELL}list.{place}": value for place, value in enumerate(values)}


def test_a_template_is_taken_apart_into_its_members() -> None:
    whole = metric("motor", None, DataType.TEMPLATE)
    whole.template_value.template_ref = "Motor"
    whole.template_value.metrics.append(metric("rpm", 1500, DataType.INT32))
    definition = metric("Motor", None, DataType.TEMPLATE)
    definition.template_value.is_definition = True
    definition.template_value.metrics.append(metric("rpm", None, DataType.INT32))
    edge = Edge()
    assert by_address(edge.birth(definition, whole)) == {f"{CELL}motor/rpm": 1500}
    assert by_address(edge.send("NDATA", whole)) == {f"{CELL}motor/rpm": 1500}


def test_all_metrics_are_stale_from_the_receipt_of_a_death(edge: Edge) -> None:
    batch = edge.death()
    assert batch.samples.addresses == [f"{MILL}power", f"{MILL}state"]
    assert batch.samples.statuses == [signed(BAD_NO_COMMUNICATION)] * 2
    assert (batch.samples.values, batch.samples.texts) == ([None, None], [None, None])
    assert batch.samples.times == [edge.now] * 2
    assert len(edge.death().samples) == 0, "a second death says nothing new"


def test_the_will_of_an_earlier_session_says_nothing(edge: Edge) -> None:
    assert len(edge.death(number=255).samples) == 0
    assert by_address(edge.send("DDATA", metric(value=11.0, alias=1), device="mill")) == {f"{MILL}power": 11}


def test_the_death_of_a_session_whose_birth_was_missed_ends_this_one_too(edge: Edge) -> None:
    assert len(edge.death(number=1).samples) == 2


def test_a_name_may_have_a_prefix_in_the_birth_alone() -> None:
    edge = Edge()
    edge.birth(metric("DATA/power", 1.0), metric("CMD/Node Control/Rebirth", value=False, data_type=DataType.BOOLEAN))
    assert by_address(edge.send("NDATA", metric("power", 2.0))) == {f"{CELL}DATA/power": 2}
    assert len(edge.death().samples) == 1


def test_aliases_mean_nothing_after_a_death(edge: Edge) -> None:
    edge.death()
    batch = edge.send("DDATA", metric(value=11.0, alias=1), device="mill")
    assert len(batch.samples) == 0
    assert [one.reason for one in batch.rejects] == [Reason.UNKNOWN_ADDRESS]
    assert edge.requests() == ["lab/cell"]


def test_the_time_between_death_and_birth_is_a_gap(edge: Edge) -> None:
    edge.death()
    died = edge.now
    assert causes(edge.birth(number=1)) == []
    (gap,) = edge.send("DBIRTH", metric("power", 1.0, alias=9), device="mill").gaps
    assert (gap.start, gap.until, gap.cause) == (died, edge.now, Cause.SOURCE_UNREACHABLE)
    assert gap.addresses == (f"{MILL}power", f"{MILL}state")


def test_a_birth_with_another_death_number_tells_of_a_death_that_was_missed(edge: Edge) -> None:
    heard = edge.now
    edge.birth(number=1)
    (gap,) = edge.send("DBIRTH", metric("power", 1.0), device="mill").gaps
    assert (gap.start, gap.until) == (heard, edge.now)


def test_a_device_dies_at_the_time_that_its_node_tells(edge: Edge) -> None:
    batch = edge.send("DDEATH", device="mill", time=MS + 100)
    assert batch.samples.times == [(MS + 100) * 1000] * 2
    assert batch.samples.origins == [Clock.SOURCE] * 2
    assert edge.send("DDATA", metric(value=1.0, alias=1), device="mill").rejects
    assert edge.requests() == ["lab/cell"]


def test_a_death_in_the_moment_of_the_last_value_comes_after_it(edge: Edge) -> None:
    edge.send("DDATA", metric(value=1.0, alias=1, timestamp=MS + 100), device="mill")
    batch = edge.send("DDEATH", device="mill", time=MS + 100)
    assert batch.samples.times == [(MS + 100) * 1000 + 1] * 2


def test_a_missing_message_is_waited_for_then_a_gap_and_a_request(edge: Edge) -> None:
    before = edge.now
    batch = edge.send("DDATA", metric(value=11.0, alias=1), device="mill", seq=3)
    after = edge.now
    assert by_address(batch) == {f"{MILL}power": 11}, "data are taken in whatever order they come"
    assert edge.host.next_check == after + 2_000_000
    assert causes(edge.overdue(1.9)) == []
    (gap,) = edge.overdue(0.1).gaps
    assert (gap.start, gap.until, gap.cause) == (before, after, Cause.SEQUENCE_HOLE)
    assert gap.addresses == (f"{MILL}power", f"{MILL}state")
    assert edge.requests() == ["lab/cell"]
    assert edge.host.next_check is None


def test_messages_in_the_wrong_order_leave_no_gap(edge: Edge) -> None:
    for seq in (3, 5, 4, 2):
        edge.send("DDATA", metric(value=11.0, alias=1), device="mill", seq=seq)
    assert causes(edge.overdue(10)) == []
    edge.send("DDATA", metric(value=11.0, alias=1), device="mill", seq=6)
    assert (causes(edge.overdue(10)), edge.requests()) == ([], [])


@given(st.permutations(range(1, 8)), st.integers(0, 255))
def test_any_order_within_the_time_out_gives_all_values_and_no_gap(order: list[int], skip: int) -> None:
    edge = Edge(reorder_timeout=60)
    edge.birth(metric("x", 0.0, alias=1))
    for seq in range(1, skip + 1):
        edge.send("NDATA", metric(value=0.0, alias=1), seq=seq % 256)
    values = [by_address(edge.send("NDATA", metric(value=float(at), alias=1), seq=(skip + at) % 256)) for at in order]
    assert [one[f"{CELL}x"] for one in values] == order
    assert (causes(edge.overdue(100)), edge.requests()) == ([], [])


def test_data_of_a_device_wait_for_a_birth_that_comes_late() -> None:
    edge = Edge()
    edge.birth()
    early = edge.send("DDATA", metric(value=2.0, alias=1), device="mill", seq=2)
    assert (len(early.samples), early.rejects) == (0, [])
    batch = edge.send("DBIRTH", metric("power", 1.0, alias=1), device="mill", seq=1)
    assert batch.samples.values == [1, 2]
    edge.send("DDATA", metric(value=2.0, alias=8), device="robot", seq=4)
    assert [one.reason for one in edge.overdue(5).rejects] == [Reason.UNKNOWN_ADDRESS]


def test_a_device_s_birth_may_overtake_its_node_s() -> None:
    edge = Edge(reorder_timeout=10)
    assert edge.send("DBIRTH", metric("power", 1.0, alias=1), device="mill", seq=1).rejects == []
    assert by_address(edge.birth(metric("x", 5.0))) == {f"{CELL}x": 5, f"{MILL}power": 1}
    edge.send("DBIRTH", metric("power", 2.0, alias=1), device="mill", seq=1)
    edge.birth(metric("x", 6.0))
    assert by_address(edge.send("DDATA", metric(value=3.0, alias=1), device="mill", seq=2)) == {f"{MILL}power": 3}
    assert (causes(edge.overdue(60)), edge.requests()) == ([], [])


def test_a_device_s_birth_that_waits_for_its_node_s_in_vain_is_a_reject() -> None:
    edge = Edge()
    edge.send("DBIRTH", metric("power", 1.0, alias=1), device="mill", seq=1)
    assert [one.reason for one in edge.overdue(2).rejects] == [Reason.UNKNOWN_ADDRESS]
    assert edge.requests() == ["lab/cell"]
    assert edge.host.next_check is None


def test_births_are_asked_for_once_in_ten_seconds() -> None:
    edge = Edge()
    asked = [edge.send("NDATA", metric("x", 1.0)).rejects and edge.requests() for _ in range(12)]
    assert asked == [["lab/cell"], *[[]] * 9, ["lab/cell"], []]


def test_a_request_is_what_edge_nodes_of_other_makers_understand() -> None:
    assert foreign.asks_for_rebirth(rebirth_request(MS))
    (told,) = read(rebirth_request(MS)).metrics
    assert (told.name, told.raw, told.time) == (REBIRTH, True, MS)


def test_after_a_reconnection_every_node_is_asked_for_its_births(edge: Edge) -> None:
    edge.host.rejoin(edge.now)
    edge.host.renewed()
    assert edge.requests() == ["lab/cell"]
    assert edge.send("DDATA", metric(value=1.0, alias=1), device="mill").rejects
    assert causes(edge.birth()) == []
    assert causes(edge.send("DBIRTH", metric("power", 1.0, alias=1), device="mill")) == []
    assert by_address(edge.send("DDATA", metric(value=1.0, alias=1), device="mill")) == {f"{MILL}power": 1}


def test_a_host_that_is_called_offline_by_another_session_says_that_it_is_online(edge: Edge) -> None:
    edge.raw("spBv1.0/STATE/other", b'{"online": false, "timestamp": 1}')
    edge.raw("spBv1.0/STATE/fieldlab", b'{"online": true, "timestamp": 1}')
    assert not edge.host.announce
    edge.raw("spBv1.0/STATE/fieldlab", b'{"online": false, "timestamp": 1}')
    assert edge.host.announce


@pytest.mark.parametrize(
    ("topic", "data", "retained", "words"),
    [
        ("lab/mill", b"", False, "No Sparkplug topic"),
        ("spBv1.0/lab/XDATA/cell", b"", False, "No Sparkplug topic"),
        ("spBv1.0/lab/NDATA/cell", b"\xff", False, "no Sparkplug B protobuf"),
        ("spBv1.0/lab/NBIRTH/cell", payload(seq=0), True, "must not retain"),
        ("spBv1.0/lab/NBIRTH/cell", payload(metric(value=1.0, alias=1), seq=0), False, "has no name"),
        ("spBv1.0/lab/NBIRTH/cell", payload(metric("x" * 2000, 1.0), seq=0), False, "longer than"),
        ("spBv1.0/lab/NBIRTH/cell", payload(metric("x", b"abc", DataType.BYTES), seq=0), False, "no measurement"),
        ("spBv1.0/lab/NBIRTH/cell", payload(metric("x", b"abc", DataType.INT16_ARRAY), seq=0), False, "multiple of 2"),
        ("spBv1.0/lab/NBIRTH/cell", payload(metric("x", 1.0, timestamp=2**63), seq=0), False, "beyond the year 9999"),
        ("spBv1.0/lab/NBIRTH/cell", payload(metric("x", "\0", DataType.STRING), seq=0), False, "NUL"),
    ],
)
def test_a_refusal_says_what_and_where(topic: str, data: bytes, retained: bool, words: str) -> None:
    batch = Edge().raw(topic, data, retained=retained)
    (reject,) = batch.rejects
    assert (len(batch.samples), reject.raw) == (0, data)
    assert words in reject.detail, reject.detail


@given(st.lists(st.tuples(st.sampled_from(["NBIRTH", "NDEATH", "NDATA", "NCMD"]), st.binary(max_size=40)), max_size=4))
def test_no_bytes_upset_it(messages: list[tuple[str, bytes]]) -> None:
    edge = Edge()
    for verb, data in messages:
        edge.raw(f"spBv1.0/lab/{verb}/cell", data)
    edge.overdue(10)


VERBS = st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "DDEATH", "NDEATH"])


@given(st.lists(st.tuples(VERBS, st.integers(0, 5), st.integers(0, 3), st.floats(0, 5)), max_size=25))
def test_every_value_is_a_sample_or_a_reject_whatever_the_order_of_messages(
    steps: list[tuple[str, int, int, float]],
) -> None:
    edge = Edge()
    sent = answered = 0
    for verb, seq, alias, wait in steps:
        device = "mill" if verb.startswith("D") else ""
        one = metric(f"m{alias}", 1.0, alias=alias) if "BIRTH" in verb else metric(value=2.0, alias=alias)
        if "DEATH" in verb:
            edge.send(verb, device=device, seq=seq)
            batches = [edge.overdue(wait)]
        else:
            sent += 1
            batches = [edge.send(verb, one, device=device, seq=seq), edge.overdue(wait)]
        answered += sum(len(batch.samples) + len(batch.rejects) for batch in batches)
        assert all(gap.start < gap.until for batch in batches for gap in batch.gaps)
    last = edge.overdue(100)
    assert answered + len(last.samples) + len(last.rejects) == sent


def test_times_are_those_of_the_source(edge: Edge) -> None:
    batch = edge.send("DDATA", metric(value=1.0, alias=1, timestamp=MS + 1), device="mill")
    assert [Instant(time) for time in batch.samples.times] == [Instant(START + 1_000)]
