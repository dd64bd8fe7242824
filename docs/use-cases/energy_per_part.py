#!/usr/bin/env python3
"""What each part of a mill took in energy, and what it cost. Prints CSV, and a line of sums on standard error.

Energy while the machine waits is counted to the part that comes next, so that the parts add up to the meter. Needs API and
TOKEN in the environment, and nothing but Python.
"""

import csv
import json
import os
import sys
from urllib.parse import urlencode
from urllib.request import Request, urlopen

ASSET, LAST = (sys.argv[1:] + ["mill-1", "150m"][len(sys.argv) - 1 :])[:2]
PRICE = float(os.environ.get("PRICE", "0.25"))  # for a kilowatt hour


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
    table = csv.writer(sys.stdout)
    table.writerow(["done", "part", "kWh", "price"])
    begun = before = None
    total = parts = 0
    for time, row in measurements("part_count", "energy"):
        if len(row) < 2:
            continue
        if before is not None and row["part_count"] > before:
            if begun is not None:  # the first part was begun before the first row
                energy, many = row["energy"] - begun, row["part_count"] - before
                total, parts = total + energy, parts + many
                table.writerow([time, row["part_count"], round(energy / many, 4), round(energy / many * PRICE, 4)])
            begun = row["energy"]
        before = row["part_count"]
    if parts:
        print(f"{parts:.0f} parts took {total:.3f} kWh, {total / parts:.4f} kWh a part", file=sys.stderr)


if __name__ == "__main__":
    main()
