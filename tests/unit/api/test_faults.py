"""A value that does not fit is named, and told what to send instead, in the product's own words."""

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.faults import in_words


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    deep: int


class Sent(BaseModel):
    model_config = ConfigDict(extra="forbid")

    colour: list[Colour] = []
    size: Annotated[int, Field(ge=1, le=9)] = 1
    weight: Annotated[float, Field(gt=0, lt=5)] = 1
    name: Annotated[str, Field(min_length=1, max_length=3)] = "a"
    ids: Annotated[list[UUID], Field(max_length=2)] = []
    kind: Literal["long", "wide"] = "long"
    dry: bool = False
    inner: Inner | None = None


def faults(document: object, source: str = "body") -> list[dict[str, str]]:
    with pytest.raises(ValidationError) as refused:
        Sent.model_validate(document)
    return [in_words({**fault, "loc": (source, *fault["loc"])}) for fault in refused.value.errors()]


@pytest.mark.parametrize(
    ("document", "parameter", "detail"),
    [
        ({"colour": ["red", "green"]}, "colour.1", "Give one of 'red' or 'blue'."),
        ({"colour": "red"}, "colour", "Give a list, in square brackets."),
        ({"size": "ten"}, "size", "Give a whole number."),
        ({"size": 1.5}, "size", "Give a whole number."),
        ({"size": None}, "size", "Give a whole number."),
        ({"size": "9" * 5000}, "size", "Give a smaller number."),
        ({"size": 0}, "size", "Give at least 1."),
        ({"size": 10}, "size", "Give at most 9."),
        ({"weight": 0}, "weight", "Give more than 0.0."),
        ({"weight": 5}, "weight", "Give less than 5.0."),
        ({"weight": "x"}, "weight", "Give a number."),
        ({"name": 1}, "name", "Write it as text in quotes."),
        ({"name": ""}, "name", "Give a text whose length is at least 1."),
        ({"name": "abcd"}, "name", "Give a text whose length is at most 3."),
        ({"ids": ["x"]}, "ids.0", "This is no id; an id is a UUID, such as 8d0f6c0a-6c1e-4b57-9d1c-0f0d6f5f9a11."),
        ({"ids": [1]}, "ids.0", "This is no id; an id is a UUID in quotes."),
        ({"ids": [str(UUID(int=0))] * 3}, "ids", "Give at most 2 of them."),
        ({"kind": "tall"}, "kind", "Give one of 'long' or 'wide'."),
        ({"dry": "perhaps"}, "dry", "Give true or false."),
        ({"dry": 7}, "dry", "Give true or false."),
        ({"inner": []}, "inner", "Give an object, in braces."),
        ({"inner": {}}, "inner.deep", "This is required."),
        ({"hue": 1}, "hue", "There is no such field; /docs lists those that there are."),
        ([], "", "Send the fields as a JSON object with Content-Type: application/json."),
    ],
)
def test_each_kind_of_fault_says_what_to_send(document: object, parameter: str, detail: str) -> None:
    assert faults(document) == [{"parameter": parameter, "detail": detail}]


def test_a_list_in_an_address_has_no_places() -> None:
    assert faults({"colour": ["red", "green"]}, "query")[0]["parameter"] == "colour"


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.lists(st.text(max_size=3), max_size=4)


@given(st.dictionaries(st.sampled_from([*Sent.model_fields]), VALUES))
def test_whatever_is_sent_is_answered_in_whole_sentences(document: dict[str, Any]) -> None:
    try:
        Sent.model_validate(document)
    except ValidationError:
        for told in faults(document):
            assert told["parameter"]
            assert told["detail"].endswith(".")
            assert not told["detail"].startswith(("Input", "String", "List", "Value"))
