"""Binding gives every sample one fate, for the reason a person would give."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from fieldlab.assets.asset import Kind
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.readings.origin import Clock, Origin, clock_of, origin_of
from fieldlab.readings.reject import Reason
from fieldlab.readings.samples import Samples
from fieldlab.readings.status import BAD_NO_DATA, BAD_OUT_OF_RANGE, shown, signed
from fieldlab.storage.rows import EARLIEST, LATEST
from gateway.bind import Bound, Discipline, bind
from gateway.block import Block
from tests.unit.gateway.given import BINDINGS, NOW, samples

DISCIPLINE = Discipline()


def bound(arrived: Samples) -> Bound:
    return bind(Block.of(arrived, source=7, received_at=NOW), BINDINGS, discipline=DISCIPLINE)


def one(
    value: float | str | None, *, address: str = "number", time: int = NOW, status: int = 0, origin: int = 0
) -> Bound:
    return bound(
        Samples(
            addresses=[address],
            times=[time],
            values=[None if isinstance(value, str) else value],
            texts=[value if isinstance(value, str) else None],
            statuses=[status],
            origins=[origin],
        )
    )


def refused(found: Bound) -> tuple[Reason, str]:
    assert len(found.rows) == 0
    ((refusal),) = found.refusals
    return refusal.reject.reason, refusal.reject.detail


def expected(address: str, time: int, value: float | None, text: str | None, origin: int) -> Reason | str:
    """What becomes of a sample, said row by row."""
    if address not in BINDINGS:
        return "held"
    binding = BINDINGS[address]
    if text is not None:
        fits = binding.kind is Kind.TEXT and "\0" not in text and text.encode(errors="ignore").decode() == text
    elif value is not None:
        fits = binding.kind is Kind.NUMBER or (binding.kind is Kind.BOOLEAN and value in {0.0, 1.0})
    else:
        fits = True
    if not fits:
        return Reason.WRONG_TYPE
    if not EARLIEST <= time <= LATEST:
        return Reason.INVALID_TIME
    if time > NOW + DISCIPLINE.future:
        return Reason.TOO_FAR_IN_FUTURE
    live = origin & 0x0F == Origin.LIVE
    bound_of_past = binding.lateness if live and binding.lateness is not None else DISCIPLINE.past
    return Reason.TOO_LATE if time < NOW - bound_of_past else "stored"


@given(samples())
def test_every_sample_has_the_fate_that_it_has_alone(arrived: Samples) -> None:
    found = bound(arrived)
    fates = [
        expected(*row)
        for row in zip(arrived.addresses, arrived.times, arrived.values, arrived.texts, arrived.origins, strict=True)
    ]
    assert len(found.rows) == fates.count("stored")
    assert (0 if found.unbound is None else len(found.unbound)) == fates.count("held")
    for reason in Reason:
        rejects = [refusal.reject for refusal in found.refusals if refusal.reject.reason is reason]
        assert sum(reject.samples for reject in rejects) == fates.count(reason)
    stored = [at for at, fate in enumerate(fates) if fate == "stored"]
    assert found.rows.times.tolist() == [arrived.times[at] for at in stored]
    assert found.rows.streams.tolist() == [BINDINGS[arrived.addresses[at]].stream for at in stored]
    given_values = [arrived.texts[at] if arrived.texts[at] is not None else arrived.values[at] for at in stored]
    assert [repr(found.rows.value(at)) for at in range(len(stored))] == [repr(value) for value in given_values]
    assert [found.rows.address(at) for at in range(len(stored))] == [arrived.addresses[at] for at in stored]


@given(samples())
def test_a_reject_keeps_every_one_of_its_samples_to_the_last_digit(arrived: Samples) -> None:
    for refusal in bound(arrived).refusals:
        lines = [json.loads(line) for line in refusal.reject.raw.split(b"\n")]
        assert len(lines) == refusal.reject.samples
        for line in lines:
            value = float(line["number"]) if "number" in line else line["value"]
            time = line["time"] if isinstance(line["time"], int) else Instant.parse(line["time"])
            assert any(
                arrived.addresses[at] == refusal.reject.address
                and arrived.times[at] == time
                and repr(arrived.texts[at] if arrived.texts[at] is not None else arrived.values[at]) == repr(value)
                for at in range(len(arrived))
            )


@given(samples())
def test_no_detail_shows_a_value(arrived: Samples) -> None:
    marked = replace(arrived, texts=[None if text is None else f"{text}☃" for text in arrived.texts])
    assert not any("☃" in refusal.reject.detail for refusal in bound(marked).refusals)


@pytest.mark.parametrize(
    ("value", "address", "said"),
    [
        ("3.9", "number", "publish it as a JSON number"),
        ("EXECUTE", "number", "declare a text stream"),
        (3.9, "text", "publish it as a string"),
        (2.0, "boolean", "publish true, false, 1 or 0"),
        ("true", "boolean", "publish true, false, 1 or 0"),
        ("a\0b", "text", "NUL"),
        ("\ud800", "text", "surrogate"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_what_to_publish(value: float | str, address: str, said: str) -> None:
    reason, detail = refused(one(value, address=address))
    assert reason is Reason.WRONG_TYPE
    assert said in detail


@pytest.mark.parametrize(("ahead", "taken"), [(5 * MINUTE, True), (5 * MINUTE + 1, False)])
def test_a_time_may_run_ahead_of_its_receipt_by_five_minutes_and_no_more(ahead: int, taken: bool) -> None:
    found = one(1.0, time=NOW + ahead)
    assert len(found.rows) == taken
    if not taken:
        assert "300 s after its receipt" in refused(found)[1]


@pytest.mark.parametrize(("behind", "taken"), [(MINUTE, True), (MINUTE + 1, False)])
def test_a_live_sample_may_be_as_late_as_its_stream_allows_and_no_later(behind: int, taken: bool) -> None:
    assert len(one(1.0, address="quick", time=NOW - behind).rows) == taken
    assert len(one(1.0, address="quick", time=NOW - behind, origin=Origin.HISTORY).rows) == 1


def test_each_sample_is_held_against_its_own_receipt() -> None:
    block = Block.of(
        Samples(
            addresses=["quick"] * 2,
            times=[NOW, NOW],
            values=[1.0, 2.0],
            texts=[None] * 2,
            statuses=[0] * 2,
            origins=[0] * 2,
        ),
        source=7,
        received_at=NOW,
    )
    late = replace(block, received=np.array([NOW, NOW + 2 * MINUTE]))
    found = bind(late, BINDINGS, discipline=DISCIPLINE)
    assert found.rows.values.tolist() == [1.0]
    assert found.refusals[0].reject.received_at == NOW + 2 * MINUTE


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_kept_under_a_bad_status(value: float) -> None:
    rows = one(value).rows
    assert repr(rows.value(0)) == repr(value)
    assert shown(int(rows.statuses[0])) == BAD_OUT_OF_RANGE
    assert one(value, status=signed(0x8000)).rows.statuses[0] == signed(0x8000)


def test_a_sample_without_a_value_is_kept_under_a_bad_status() -> None:
    rows = one(None).rows
    assert rows.value(0) is None
    assert shown(int(rows.statuses[0])) == BAD_NO_DATA
    assert one("", address="text").rows.statuses[0] == 0


@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324, 9223372036854775808.0, -0.0])
def test_extreme_numbers_are_kept_as_they_are(value: float) -> None:
    assert repr(one(value).rows.value(0)) == repr(value)


@pytest.mark.parametrize("clock", list(Clock))
def test_a_live_sample_of_a_simulated_machine_is_marked_and_keeps_its_clock(clock: Clock) -> None:
    mark = int(one(1.0, address="boolean", origin=clock.value).rows.origins[0])
    assert (origin_of(mark), clock_of(mark)) == (Origin.SIMULATED, clock)
    kept = int(one(1.0, address="boolean", origin=Origin.HISTORY | clock).rows.origins[0])
    assert (origin_of(kept), clock_of(kept)) == (Origin.HISTORY, clock)


def test_rows_refused_for_one_reason_at_one_address_are_one_reject() -> None:
    found = bound(
        Samples(
            addresses=["number"] * 3 + ["quick"],
            times=[NOW + at * SECOND for at in range(4)],
            values=[None, 1.0, None, None],
            texts=["1", None, "2", "3"],
            statuses=[0] * 4,
            origins=[0] * 4,
        )
    )
    assert [(one.reject.address, one.reject.samples, one.stream) for one in found.refusals] == [
        ("number", 2, 1),
        ("quick", 1, 4),
    ]
    assert found.rows.values.tolist() == [1.0]
