"""The rows of an answer as plain lists."""

from typing import Any

from fieldlab.storage.columns import ints
from fieldlab.storage.selection import Answer


def times(answer: Answer) -> list[int]:
    """The times of the rows, in microseconds since the Unix epoch."""
    moments: list[int] = ints(answer.rows, "time").tolist()
    return moments


def column(answer: Answer, name: str) -> list[Any]:
    """The values of a column."""
    values: list[Any] = answer.rows.column(name).to_pylist()
    return values


def sampled(answer: Answer) -> bool:
    """Whether the rows are samples; otherwise they are buckets."""
    return "value" in answer.rows.schema.names
