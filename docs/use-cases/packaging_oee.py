#!/usr/bin/env python3
"""The overall equipment effectiveness (OEE) of a packaging line for each hour, and what it lost its time to. Prints CSV.

    availability  time in EXECUTE / all time          performance  packs / (time in EXECUTE * set speed)
    quality       packs not rejected / packs          OEE          the product of the three

Needs API and TOKEN in the environment, and nothing but Python.
"""

import csv
import itertools
import json
import os
import sys
from collections import Counter
from datetime import datetime
from urllib.parse import urlencode
from urllib.request import Request, urlopen

ASSET, LAST = (sys.argv[1:] + ["packaging-1", "150m"][len(sys.argv) - 1 :])[:2]
LONGEST = 10.0  # seconds that a state holds without a sample; beyond that nothing is known


def measurements(*streams):
    """Give the rows of an answer, all pages of it, as {time: {stream: value}} in order of time."""
    query = {"stream": [f"{ASSET}.{name}" for name in streams], "last": LAST, "status": "good", "limit": 100000}
    rows, cursor = {}, None
    while cursor != "":
        url = f"{os.environ['API']}/v1/measurements?{urlencode({**query, 'cursor': cursor} if cursor else query, doseq=True)}"
        with urlopen(Request(url, headers={"Authorization": f"Bearer {os.environ['TOKEN']}"})) as answer:
            page = json.load(answer)
        names = {stream["id"]: stream["name"] for stream in page["streams"]}
        time, stream, value = (page["columns"].index(name) for name in ("time", "stream", "value"))
        for row in page["rows"]:
            rows.setdefault(row[time], {})[names[row[stream]]] = row[value]
        cursor = page["next"] or ""
    return sorted(rows.items())


def main():
    hours = {}
    rows = measurements("state", "product_count", "reject_count", "set_speed")
    for (time, row), (later, after) in itertools.pairwise(rows):
        seconds = (datetime.fromisoformat(later) - datetime.fromisoformat(time)).total_seconds()
        if len(row) < 4 or len(after) < 4 or seconds > LONGEST:
            continue
        hour = hours.setdefault(time[:13] + ":00:00Z", Counter())
        hour[row["state"]] += seconds
        hour["all"] += seconds
        hour["packs"] += after["product_count"] - row["product_count"]
        hour["rejects"] += after["reject_count"] - row["reject_count"]
        hour["possible"] += seconds * row["set_speed"] / 60 if row["state"] == "EXECUTE" else 0
    lost = ["HELD", "SUSPENDED", "STOPPED"]
    table = csv.writer(sys.stdout)
    table.writerow(["hour", "availability", "performance", "quality", "oee", *(f"{state.lower()}_s" for state in lost)])
    for start, hour in sorted(hours.items()):
        availability = hour["EXECUTE"] / hour["all"]
        performance = hour["packs"] / hour["possible"] if hour["possible"] else 0.0
        quality = 1 - hour["rejects"] / hour["packs"] if hour["packs"] else 0.0
        oee = [availability, performance, quality, availability * performance * quality]
        table.writerow([start, *(round(part, 4) for part in oee), *(round(hour[state]) for state in lost)])


if __name__ == "__main__":
    main()
