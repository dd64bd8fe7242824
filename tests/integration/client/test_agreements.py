"""Agreements from a notebook: offered, asked for, answered, suspended and ended; each change done once."""

import asyncio

import pytest

from fieldlab_client import Agreement, Answered, Terms
from tests.integration.api.lab import CURRENT, EIGHT, NINE
from tests.integration.client.conftest import Notebooks

MINUTES = Terms(
    streams=[CURRENT],
    data=(str(EIGHT), str(NINE)),
    resolution_floor="60s",
    aggregates=["mean", "max"],
    purposes=["wear"],
    licence="CC-BY-4.0",
)


async def test_an_offer_is_approved_read_under_suspended_and_ended(notebooks: Notebooks) -> None:
    owner, reader = notebooks["sme-a"], notebooks["researcher"]
    offer = await asyncio.to_thread(owner.offer, "researcher", MINUTES)
    assert (offer.state, offer.owner, offer.grantee, offer.streams) == ("offered", "sme-a", "researcher", (CURRENT,))
    assert (offer.resolution_floor, offer.purposes, offer.licence) == ("1m", ("wear",), "CC-BY-4.0")
    assert offer.hash in repr(offer) or offer.id in repr(offer)
    assert CURRENT in offer.text
    chosen = owner.streams(CURRENT).every("1m", "mean")
    foreseen = await asyncio.to_thread(offer.preview, chosen)
    assert len(foreseen) == 60
    (found,) = await asyncio.to_thread(list, reader.agreements("offered"))
    assert found.id == offer.id
    assert (await asyncio.to_thread(found.approve, "gladly")).state == "active"
    minutes = reader.streams(CURRENT).every("1m", "mean").purpose("wear").under(offer.id)
    frame = await asyncio.to_thread(minutes.frame)
    assert frame["mean"].tolist() == foreseen.table["mean"].to_pylist()
    assert frame.attrs["segments"][0]["agreement"] == offer.id
    assert frame.attrs["licences"] == ["CC-BY-4.0"]
    seen = await asyncio.to_thread(owner.agreement, offer.id)
    assert (await asyncio.to_thread(seen.suspend)).state == "suspended"
    assert (await asyncio.to_thread(seen.resume)).state == "active"
    assert (await asyncio.to_thread(seen.terminate, "enough")).state == "terminated"
    events = await asyncio.to_thread(offer.events().frame)
    assert events["kind"].tolist() == ["offer", "approve", "suspend", "resume", "terminate"]
    assert events["reason"].tolist()[1] == "gladly"
    receipt = await asyncio.to_thread(seen.receipt)
    assert (receipt["state"], receipt["rows"]) == ("terminated", 60)
    with pytest.raises(Answered, match="terminated"):
        await asyncio.to_thread(seen.resume)


async def test_a_request_is_turned_down_or_taken_back(notebooks: Notebooks) -> None:
    owner, reader = notebooks["sme-a"], notebooks["researcher"]
    first = await asyncio.to_thread(reader.request, "sme-a", Terms(streams=[CURRENT], live=True))
    assert (first.state, first.enforced["live"], first.resolution_floor) == ("requested", True, None)
    mirrored: Agreement = await asyncio.to_thread(owner.agreement, first.id)
    assert (await asyncio.to_thread(mirrored.reject, "not now")).state == "rejected"
    second = await asyncio.to_thread(lambda: reader.request("sme-a", Terms(streams=[CURRENT]), answer_within="1d"))
    assert (await asyncio.to_thread(second.withdraw)).state == "withdrawn"
    frame = await asyncio.to_thread(reader.agreements().frame)
    assert frame["state"].tolist() == ["withdrawn", "rejected"]
    assert frame["streams"].tolist() == [[CURRENT], [CURRENT]]
    assert (await asyncio.to_thread(reader.agreements().polars))["id"].to_list() == frame["id"].tolist()
    with pytest.raises(Answered) as hidden:
        await asyncio.to_thread(notebooks["sme-b"].agreement, first.id)
    assert hidden.value.status == 404


async def test_terms_that_cannot_be_kept_are_refused_in_words(notebooks: Notebooks) -> None:
    with pytest.raises(Answered) as refused:
        await asyncio.to_thread(notebooks["sme-a"].offer, "researcher", Terms(streams=[CURRENT], resolution_floor="x"))
    assert (refused.value.status, refused.value.type) in {
        (422, "/problems/invalid-terms"),
        (422, "/problems/invalid-input"),
    }
