"""What arrives and is not bound yet: for whoever administers the lab, page by page."""

import psycopg

from tests.integration.api.lab import Floor


async def test_a_discovery_says_what_its_source_does_and_the_stream_that_it_feeds_keeps_it(lab: Floor) -> None:
    lab.execute(
        "INSERT INTO fieldlab.discovery (source_id, address, kind, unit, quantity, description, semantic_id, low, high,"
        " value, samples, first_seen, last_seen)"
        " SELECT s.id, a, 'number', 'Cel', 'temperature', 'Hot end', '0112/2///61987#ABA565#007', -40, 300, 21.5, 1,"
        " now(), now() FROM fieldlab.source AS s, (VALUES ('t#hot'), ('t#cold')) AS d (a) WHERE s.slug = 'shop-floor'"
    )
    items = (await lab["lab"].get("/v1/discoveries", params={"source": "shop-floor"})).json()["items"]
    said = {"quantity": "temperature", "description": "Hot end", "semantic_id": "0112/2///61987#ABA565#007"}
    assert [{name: item[name] for name in said} for item in items] == [said, said]
    assert [(item["low"], item["high"]) for item in items] == [(-40, 300)] * 2
    for address, unit in (("t#hot", None), ("t#cold", "kW")):
        binding = {"source": "shop-floor", "asset": "mill-1", "address": address, "unit": unit}
        answer = await lab["lab"].post("/v1/discoveries/bind", json=binding)
        assert answer.status_code == 201, answer.text
    with psycopg.connect(lab.database.admin) as connection:
        streams = connection.execute(
            "SELECT s.name, s.unit, s.quantity, s.description, s.semantic_id, s.low, s.high FROM fieldlab.stream AS s"
            " JOIN fieldlab.binding AS b ON b.stream_id = s.id WHERE b.address IN ('t#hot', 't#cold') ORDER BY s.name"
        ).fetchall()
    assert streams == [
        ("cold", "kW", "power", "Hot end", "0112/2///61987#ABA565#007", None, None),
        ("hot", "Cel", "temperature", "Hot end", "0112/2///61987#ABA565#007", -40, 300),
    ], "in another unit its range and quantity are not the source's"


async def test_discoveries_are_shown_to_the_operator_page_by_page_and_to_nobody_else(lab: Floor) -> None:
    lab.execute(
        "INSERT INTO fieldlab.discovery (source_id, address, kind, value, text, samples, first_seen, last_seen)"
        " SELECT s.id, a, k, v, t, 21, '2026-11-21T08:00:00Z', '2026-11-21T08:00:10Z' FROM fieldlab.source AS s,"
        " (VALUES ('x#a', 'number', 3.5, NULL), ('x#b', 'text', NULL, 'on'), ('y', 'boolean', 1, NULL))"
        " AS d (a, k, v, t)"
        " WHERE s.slug = 'shop-floor'"
    )
    items = (await lab["lab"].get("/v1/discoveries", params={"source": "shop-floor"})).json()["items"]
    assert [(item["address"], item["kind"], item["value"], item["per_second"]) for item in items] == [
        ("x#a", "number", 3.5, 2.0),
        ("x#b", "text", "on", 2.0),
        ("y", "boolean", 1.0, 2.0),
    ]
    pages, cursor = [], None
    while True:
        page = (await lab["lab"].get("/v1/discoveries", params={"limit": 1, "cursor": cursor or []})).json()
        pages += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert pages == items
    assert (await lab["lab"].get("/v1/discoveries", params={"source": "other"})).json()["items"] == []
    assert (await lab["sme-a"].get("/v1/discoveries")).status_code == 403
