"""What a participant may change of who has a machine when, without the operator. Pure; the database enforces it again.

The home owner of a machine gives away its own time, and takes back what has not come yet. Whoever has booked it gives
back what it has booked, to the home owner. What was measured under another's booking is nobody else's to move: that
takes who administers the lab, and a correction.
"""

from fieldlab.errors import Forbidden
from fieldlab.ownership.tenure import Tenure, Timeline
from fieldlab.readings.instant import Instant


def lends_only(home_owner: str) -> Forbidden:
    """Give the refusal for whoever lends another's machine."""
    return Forbidden(f"Only {home_owner}, whose machine it is, lends it; what you have booked you can return.")


def refuse_taking(before: Timeline, after: Timeline, *, lender: str, home_owner: str, now: Instant) -> None:
    """Raise Forbidden where the change moves what is not the lender's to give; the timelines may be parts of whole."""
    for old in before:
        for new in after:
            if not old.interval.overlaps(new.interval) or old.alike(new):
                continue
            start = max(old.interval.start, new.interval.start)
            if not _its_own(old, new, start, lender=lender, home_owner=home_owner, now=now):
                if lender != home_owner:
                    raise lends_only(home_owner)
                raise Forbidden(
                    "What was measured under a booking is its participant's. End or change the booking from now on, or "
                    "ask the operator of the lab for a correction of what is past."
                )


def _its_own(old: Tenure, new: Tenure, start: Instant, *, lender: str, home_owner: str, now: Instant) -> bool:
    if lender == home_owner:
        return old.owner == home_owner or start >= now
    return old.owner == lender and new.owner == home_owner and not new.booked
