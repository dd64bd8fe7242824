"""The format is chosen as RFC 9110 says, and the query wins."""

import pytest
from starlette.exceptions import HTTPException

from api.answers.media import Format, Medium, choose

JSON, CSV, COMMENTED = Medium(format=Format.JSON), Medium(format=Format.CSV), Medium(format=Format.CSV, comments=True)


@pytest.mark.parametrize(
    ("asked", "accept", "medium"),
    [
        (None, None, JSON),
        (None, "", JSON),
        (None, "*/*", JSON),
        (None, "application/*", JSON),
        (None, "text/csv", CSV),
        (None, "Text/CSV; charset=utf-8", CSV),
        (None, "text/*", CSV),
        (None, "text/csv;header=comment", COMMENTED),
        (None, "text/csv; header=comment; q=0.9, application/json; q=0.1", COMMENTED),
        (None, "application/json;q=0.5, text/csv", CSV),
        (None, "text/csv;q=0.5, application/json", JSON),
        (None, "text/csv;q=0, */*;q=0.1", JSON),
        (None, "application/pdf, text/html, */*;q=0.8", JSON),
        (None, "application/pdf, text/csv;q=0.2", CSV),
        ("csv", "application/json", CSV),
        ("CSV", None, CSV),
        ("json", "text/csv", JSON),
        ("text/csv;header=comment", None, COMMENTED),
        ("csv; header=comment", None, COMMENTED),
        ("application/json", "text/csv", JSON),
    ],
)
def test_the_preferred_format_that_is_offered_is_chosen(asked: str | None, accept: str | None, medium: Medium) -> None:
    assert choose(asked, accept) == medium


@pytest.mark.parametrize(
    ("asked", "accept"),
    [("xlsx", None), ("text/html", "application/json"), (None, "application/pdf"), (None, "text/csv;q=0")],
)
def test_what_is_not_offered_is_a_406(asked: str | None, accept: str | None) -> None:
    with pytest.raises(HTTPException) as refused:
        choose(asked, accept)
    assert refused.value.status_code == 406
