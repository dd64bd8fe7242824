"""Everything that can go wrong, as one tree. A message says what was wrong, where, and what to do.

FieldlabError
├── InvalidInput            a value from outside breaks a rule             (HTTP 422, reject, exit 2)
│   ├── InvalidTime         not an RFC 3339 time with an offset, or impossible
│   ├── InvalidInterval     bounds reversed, empty or off the allowed grid
│   ├── InvalidName         not a slug or stream name
│   ├── InvalidCursor       a page cursor that was edited, or belongs to another query
│   ├── InvalidTerms        terms of an agreement that are unknown, contradict each other or cannot be kept
│   └── InvalidSettings     a configuration key that is missing or wrong: the process stops
├── Unauthenticated         no credential, or one that is wrong, expired or revoked            (401)
├── Forbidden               a known caller lacks a permission                                  (403)
│   ├── OutsideAgreement    an agreement does not allow the stated purpose, or the format
│   └── RightEnded          a right ended while the answer was under way: it is broken off
├── NotFound                it is not there, or it is hidden: the two are not told apart       (404)
├── Gone                    it was there, and is withdrawn, ended or over                      (410)
├── Conflict                the present state does not allow it                                (409)
│   └── TenureConflict      the asset is booked in that time
├── TooMany                 a participant asks more often than it may                           (429)
├── ExcessRights            a process was started with more rights than its role should have
└── Unavailable             a server cannot be reached now: worth trying again                 (503)
"""

from uuid import UUID


class FieldlabError(Exception):
    """The root: every error that the product raises on purpose."""


class InvalidInput(FieldlabError):
    """A value from outside breaks a rule; the message names the value and the rule."""


class InvalidTime(InvalidInput):
    """Not an RFC 3339 time with an offset, or a time that cannot be."""


class InvalidInterval(InvalidInput):
    """Bounds are reversed, empty or off the allowed grid."""


class InvalidName(InvalidInput):
    """Not a slug or a stream name."""


class InvalidCursor(InvalidInput):
    """A page cursor was edited or belongs to another query or participant."""


class InvalidTerms(InvalidInput):
    """Terms of an agreement that are unknown, contradict each other, or promise what cannot be kept."""


class InvalidSettings(InvalidInput):
    """A configuration key is missing or wrong; the process stops and names the key."""


class Unauthenticated(FieldlabError):
    """No credential, or one that is wrong, expired or revoked."""


class Forbidden(FieldlabError):
    """A known caller lacks a permission."""


class OutsideAgreement(Forbidden):
    """An agreement does not allow the stated purpose, or the format; the message names the agreement.

    `agreement` and `purpose` are given where a stated purpose is outside, so that it can be recorded.
    """

    def __init__(self, message: str, *, agreement: UUID | None = None, purpose: str | None = None) -> None:
        super().__init__(message)
        self.agreement = agreement
        self.purpose = purpose


class RightEnded(Forbidden):
    """A right ended while an answer was under way; `reason` is a word for programs, such as `agreement.terminated`."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotFound(FieldlabError):
    """It is not there, or it is hidden from the caller: the two are never told apart."""


class Gone(FieldlabError):
    """It was the caller's, and is not to be had any more: withdrawn, ended or over."""


class Conflict(FieldlabError):
    """The present state does not allow what was asked."""


class TenureConflict(Conflict):
    """The asset is booked in that time; the message never says by whom."""


class TooMany(FieldlabError):
    """A participant asks more often than it may; there is room again after so many `seconds`."""

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class ExcessRights(FieldlabError):
    """A process was started with more rights than its role should have."""


class Unavailable(FieldlabError):
    """A server cannot be reached now; trying again later may help."""
