"""What can be computed over a bucket of samples."""

from enum import StrEnum


class Aggregate(StrEnum):
    """What can be computed over a bucket; over values whose status is not bad."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
