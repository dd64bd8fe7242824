"""What arrives and is not bound yet: for whoever administers the lab, page by page."""

from tests.integration.api.lab import Floor


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
