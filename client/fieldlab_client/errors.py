"""What can go wrong, as one tree.

FieldlabClientError
├── Answered       the lab answered with an error: `status`, `type` and what to do
├── NotWhole       an answer or a file broke off, or is not what it should be
├── LedgerChanged  the access ledger is not what you were shown before
└── RightEnded     a live answer ended because the right to it did
"""


class FieldlabClientError(Exception):
    """The root."""


class Answered(FieldlabClientError):
    """The lab answered with an error; the message says what to do. `type` is stable, such as `/problems/not-found`."""

    def __init__(self, message: str, *, status: int, type_: str, request_id: str) -> None:
        super().__init__(message)
        self.status = status
        self.type = type_
        self.request_id = request_id


class NotWhole(FieldlabClientError):
    """An answer or a file broke off, or is not what it should be; nothing of it was given."""


class RightEnded(FieldlabClientError):
    """A live answer ended because the right to it did; `reason` is a word such as `agreement.terminated`."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class LedgerChanged(FieldlabClientError):
    """The access ledger is not what you were shown before: ask the operator of the lab, and keep your checkpoint."""
