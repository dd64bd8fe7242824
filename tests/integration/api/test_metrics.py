"""What the service counts of itself tells how it is asked, and nothing of who asks or for what."""

import httpx

from tests.integration.api.lab import CURRENT, Floor


async def numbers(lab: Floor) -> tuple[httpx.Response, dict[str, float]]:
    async with lab.client(None) as prometheus:
        answer = await prometheus.get("/metrics")
    assert answer.status_code == 200
    lines = [line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")]
    return answer, {name: float(value) for name, value in lines}


async def test_requests_are_counted_by_the_template_of_their_route_and_by_status(lab: Floor) -> None:
    _, before = await numbers(lab)
    for slug in ("tool-wear", "tool-wear", "none"):
        await lab["sme-a"].get(f"/v1/trials/{slug}")
    await lab["sme-a"].head("/v1/me")
    await lab["sme-a"].put("/v1/me")
    await lab["sme-a"].request("BREW", "/pot/of/sme-a")
    given, after = await numbers(lab)
    assert given.headers["content-type"].startswith("text/plain")
    counted = {
        'method="GET",route="/v1/trials/{slug}",status="200"': 2,
        'method="GET",route="/v1/trials/{slug}",status="404"': 1,
        'method="HEAD",route="/v1/me",status="200"': 1,
        'method="other",route="/v1/me",status="405"': 1,
        'method="other",route="other",status="404"': 1,
    }
    for labels, times in counted.items():
        name = f"fieldlab_requests_total{{{labels}}}"
        assert after[name] - before.get(name, 0) == times, name
    assert after['fieldlab_request_seconds_count{method="GET",route="/v1/trials/{slug}"}'] == 3
    assert (after["fieldlab_live_readers"], after["fieldlab_export_jobs_running"]) == (0, 0)
    assert after["fieldlab_export_jobs_total"] == 0


async def test_readers_are_counted_while_they_follow(lab: Floor) -> None:
    lab.app.state.desk.hub.admit()
    try:
        assert (await numbers(lab))[1]["fieldlab_live_readers"] == 1
    finally:
        lab.app.state.desk.hub.dismiss()


async def test_nothing_of_the_lab_is_in_them(lab: Floor) -> None:
    paths = (f"/v1/streams/{CURRENT}", "/v1/participants/sme-b", "/v1/assets/mill-1", "/v1/trials/tool-wear")
    for path in (*paths, f"/v1/measurements?stream={CURRENT}&purpose=wear", "/sme-a/mill-1"):
        await lab["sme-a"].get(path)
    text = (await numbers(lab))[0].text
    assert not [name for name in ("sme-a", "sme-b", "mill-1", "current", "tool-wear", "wear", "flk_") if name in text]
