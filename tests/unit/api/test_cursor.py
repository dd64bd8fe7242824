"""A cursor is good for one participant and one question, and for nobody who edits it."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from api.cursor import Cursors
from fieldlab.errors import InvalidCursor
from fieldlab.ownership.scope import Credential, ReadScope
from fieldlab.readings.instant import FOREVER

SCOPE = ReadScope(
    participant="sme-a",
    principal="ada",
    permissions=frozenset(),
    key=UUID(int=1),
    expires_at=FOREVER,
    credential=Credential.of("flk_1"),
)
KEY = b"k" * 32
CURSORS = Cursors(KEY)
PLACES = st.lists(st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20), max_size=5)
QUESTIONS = st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(max_size=8), max_size=4)


@given(PLACES, QUESTIONS)
def test_a_cursor_gives_back_its_place_in_any_process_of_the_lab_and_with_any_key_of_its_participant(
    place: list[str | int], question: dict[str, object]
) -> None:
    cursor = CURSORS.seal(SCOPE, question, place)
    renewed = replace(SCOPE, principal="grace", key=UUID(int=2), credential=Credential.of("flk_2"))
    assert Cursors(KEY).open(renewed, question, cursor) == place


@given(PLACES, QUESTIONS, st.data())
def test_an_edited_cursor_is_refused(place: list[str | int], question: dict[str, object], data: st.DataObject) -> None:
    cursor = CURSORS.seal(SCOPE, question, place)
    at = data.draw(st.integers(0, len(cursor) - 1))
    letter = data.draw(st.characters(codec="utf-8"))
    edited = cursor[:at] + letter + cursor[at + 1 :]
    assume(edited != cursor)
    with pytest.raises(InvalidCursor):
        CURSORS.open(SCOPE, question, edited)


def test_another_spelling_of_a_cursor_is_refused() -> None:
    cursors = [CURSORS.seal(SCOPE, {}, [number]) for number in range(100)]
    assert any("_" in cursor for cursor in cursors)
    for cursor in cursors:
        with pytest.raises(InvalidCursor):
            CURSORS.open(SCOPE, {}, cursor.replace("_", "/") if "_" in cursor else cursor + "=")


@given(PLACES, QUESTIONS, QUESTIONS)
def test_a_cursor_of_another_question_is_refused(
    place: list[str | int], question: dict[str, object], other: dict[str, object]
) -> None:
    assume(question != other)
    with pytest.raises(InvalidCursor):
        CURSORS.open(SCOPE, other, CURSORS.seal(SCOPE, question, place))


@given(PLACES, QUESTIONS)
def test_a_cursor_of_another_participant_or_lab_is_refused(place: list[str | int], question: dict[str, object]) -> None:
    cursor = CURSORS.seal(SCOPE, question, place)
    with pytest.raises(InvalidCursor):
        CURSORS.open(replace(SCOPE, participant="sme-b"), question, cursor)
    with pytest.raises(InvalidCursor):
        Cursors(b"l" * 32).open(SCOPE, question, cursor)


@given(st.text(max_size=80))
def test_no_text_brings_it_down(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.open(SCOPE, {}, cursor)
