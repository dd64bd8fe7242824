#!/usr/bin/env python3
"""Warn that a mill's tool is duller than its controller's count of parts says. Prints alarms as CSV.

In the first hour it learns how the spindle's current grows with the counted wear; after that, two parts in a row that take
more than five deviations above it raise an alarm. Needs API and TOKEN in the environment, and nothing but Python.
"""

import csv
import json
import os
import statistics
import sys
from urllib.parse import urlencode
from urllib.request import Request, urlopen

ASSET, LAST = (sys.argv[1:] + ["mill-1", "150m"][len(sys.argv) - 1 :])[:2]
LEARNT_FROM = 30  # parts: about an hour
ROUGHING = (5900, 6100)  # 1/min; the cut in which a dull tool shows most


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


def parts():
    """Give (time of the last cut, counted wear, mean current of the roughing cut) for each part."""
    cuts = {}
    for time, row in measurements("part_count", "spindle_speed", "spindle_current", "tool_wear"):
        if len(row) == 4 and ROUGHING[0] < row["spindle_speed"] < ROUGHING[1] and row["spindle_current"] > 5:
            cuts.setdefault(row["part_count"], []).append((time, row["tool_wear"], row["spindle_current"]))
    whole = [cut for cut in cuts.values() if len(cut) > 20]
    return [(cut[-1][0], cut[-1][1], statistics.fmean(current for _, _, current in cut)) for cut in whole]


def main():
    seen = parts()
    learnt, watched = seen[:LEARNT_FROM], seen[LEARNT_FROM:]
    slope, offset = statistics.linear_regression([wear for _, wear, _ in learnt], [current for *_, current in learnt])
    unrest = statistics.stdev(current - offset - slope * wear for _, wear, current in learnt)
    alarms = csv.writer(sys.stdout)
    alarms.writerow(["time", "asset", "excess_ampere"])
    above = 0
    for time, wear, current in watched:
        excess = current - offset - slope * wear
        above = above + 1 if excess > 5 * unrest else 0
        if above == 2:
            alarms.writerow([time, ASSET, round(excess, 2)])


if __name__ == "__main__":
    main()
