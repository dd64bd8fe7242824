"""What can be computed over a bucket of samples."""

from enum import StrEnum


class Aggregate(StrEnum):
    """What can be computed over a bucket; over values whose status is not bad, and of numbers alone save `count`.

    `stddev` is that of a sample. Percentiles lie between values where they fall between two. `delta` is the
    last value less the one before the bucket, or less the bucket's first where the owner has none before; `rate` is
    that by second. `time_weighted_mean` weighs each value with the time until the next.
    """

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    SUM = "sum"
    FIRST = "first"
    LAST = "last"
    STDDEV = "stddev"
    MEDIAN = "median"
    P5 = "p5"
    P25 = "p25"
    P75 = "p75"
    P95 = "p95"
    P99 = "p99"
    RATE = "rate"
    DELTA = "delta"
    TIME_WEIGHTED_MEAN = "time_weighted_mean"
