"""After a revocation its owner learns what had left, to whom and when, and which answers it cut."""

from uuid import uuid4

from fieldlab.ownership.access import Access, AccessKind, End, EndKind
from fieldlab.storage import ledger, sealing
from fieldlab.storage.transaction import changing
from tests.integration.ownership.decided import segments_of
from tests.integration.ownership.floor import CURRENT, JOINT, Floor
from tests.integration.ownership.pact import pact, writing


async def test_a_receipt_counts_what_left_under_that_agreement_alone(floor: Floor) -> None:
    await writing(floor)
    agreement = await pact(floor, owner="sme-a", streams=(CURRENT,))
    await pact(floor, owner="sme-b", streams=(JOINT,))
    reader = floor.scopes["outsider"]
    segments = segments_of(floor, "outsider", (CURRENT, JOINT))
    made = [
        Access(kind=kind, segments=segments, rows=rows)
        for kind, rows in (
            (AccessKind.MEASUREMENTS, [4, 100]),
            (AccessKind.EXPORT, None),
            (AccessKind.LIVE, None),
            (AccessKind.LIVE, None),
        )
    ]
    for one in made:
        async with changing(reader, floor.engine) as bound:
            await ledger.note(bound, one)
    ends = [
        End(access=made[1].id, rows=[50, 100]),
        End(access=made[2].id, kind=EndKind.CUT, rows=[6, 100], reason="agreement.terminated"),
    ]
    assert await sealing.end(floor.engine, ends) == 2
    receipt = await ledger.receipt(floor.scopes["sme-a"], floor.engine, agreement.id)
    assert (receipt.answers, receipt.rows) == (4, 60)
    told = {one.access: (one.kind, one.outcome, one.rows, one.reason) for one in receipt.departures}
    assert told == {
        made[0].id: ("measurements", "answered", 4, None),
        made[1].id: ("export", "answered", 50, None),
        made[2].id: ("live", "cut", 6, "agreement.terminated"),
        made[3].id: ("live", "running", None, None),
    }
    assert {one.principal for one in receipt.departures} == {"signatory of outsider"}
    for who, id_ in (("sme-b", agreement.id), ("outsider", agreement.id), ("sme-a", uuid4())):
        assert (await ledger.receipt(floor.scopes[who], floor.engine, id_)).departures == ()
