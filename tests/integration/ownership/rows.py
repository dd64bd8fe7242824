"""The rows of an answer as plain lists."""

from typing import Any

from fieldlab.storage.columns import ints
from fieldlab.storage.newest import Newest
from fieldlab.storage.selection import Answer


def times(answer: Answer | Newest) -> list[int]:
    """The times of the rows, in microseconds since the Unix epoch."""
    moments: list[int] = ints(_in_columns(answer).rows, "time").tolist()
    return moments


def column(answer: Answer | Newest, name: str) -> list[Any]:
    """The values of a column."""
    values: list[Any] = _in_columns(answer).rows.column(name).to_pylist()
    return values


def sampled(answer: Answer) -> bool:
    """Whether the rows are samples; otherwise they are buckets."""
    return "value" in answer.rows.schema.names


def _in_columns(answer: Answer | Newest) -> Answer:
    return answer.answer() if isinstance(answer, Newest) else answer
