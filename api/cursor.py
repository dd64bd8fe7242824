"""Page cursors: where to go on, marked with the lab's key so that nobody can edit, lend or redirect one."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from fieldlab.errors import InvalidCursor
from fieldlab.ownership.scope import ReadScope

Place = Sequence[str | int]
"""Where a page ended, in the terms of its route."""

Question = Mapping[str, object]
"""What was asked, without the page: JSON values by parameter."""


class Cursors:
    """Makes and reads cursors; each is good for one participant and one question, in every process of the lab."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, scope: ReadScope, question: Question, place: Place) -> str:
        """Make the cursor with which this participant goes on after a place in the answer to this question."""
        return str(self._serializer(scope, question).dumps(list(place)))

    def open(self, scope: ReadScope, question: Question, cursor: str) -> list[Any]:
        """Give the place that a cursor was made of.

        Raises InvalidCursor for one that was edited, or made for another participant or question.
        """
        try:
            place = self._serializer(scope, question).loads(cursor)
        except BadData:
            place = None
        if not isinstance(place, list) or self.seal(scope, question, place) != cursor:  # base64 has several spellings
            raise InvalidCursor("This cursor does not belong to this query; ask again without it to start over.")
        return place

    def _serializer(self, scope: ReadScope, question: Question) -> URLSafeSerializer:
        bound_to = json.dumps([scope.participant, question], sort_keys=True, ensure_ascii=True)
        return URLSafeSerializer(
            self._key,
            salt=b"fieldlab page " + sha256(bound_to.encode()).digest(),
            signer_kwargs={"digest_method": sha256, "key_derivation": "hmac"},
        )
