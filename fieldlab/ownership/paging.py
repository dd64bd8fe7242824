"""What is left of a decision after a page: segments without what has been given already. Pure arithmetic."""

from collections.abc import Sequence
from dataclasses import replace

from fieldlab.ownership.interval import Interval
from fieldlab.ownership.segment import Segment
from fieldlab.readings.calendar import Calendar, Step
from fieldlab.readings.instant import Instant


def floor(moment: Instant, step: int) -> Instant:
    """Give the start of the bucket of `step` microseconds, counted from the Unix epoch, that holds the moment."""
    return Instant(moment - moment % step)


def remaining(
    segments: Sequence[Segment], *, order: Sequence[int], stream: int, given: Instant, step: Step | None = None
) -> tuple[Segment, ...]:
    """Give what follows the row at `given` of `stream`; segments come by stream, in the order given, then by time.

    For samples the next row is later by at least a microsecond; for buckets it begins with the next bucket, or with
    the next segment if that comes first. Streams before that one are never given again, whatever has become of it.
    """
    places = {key: place for place, key in enumerate(order)}
    left: list[Segment] = []
    for segment in segments:
        if places[segment.stream] < places[stream]:
            continue
        if segment.stream != stream or given < segment.interval.start:
            left.append(segment)
        elif given < segment.interval.until:
            start = _following(given, step)
            if start < segment.interval.until:
                left.append(replace(segment, interval=Interval(start=start, until=segment.interval.until)))
    return tuple(left)


def later(segments: Sequence[Segment], *, given: Instant, step: Step | None = None) -> tuple[Segment, ...]:
    """Give what of all segments is later than the row at `given`, or than its bucket."""
    start = _following(given, step)
    return tuple(
        replace(segment, interval=Interval(start=max(start, segment.interval.start), until=segment.interval.until))
        for segment in segments
        if start < segment.interval.until
    )


def _following(given: Instant, step: Step | None) -> Instant:
    match step:
        case None:
            return Instant(given + 1)
        case Calendar():
            return step.after(given)
        case width:
            return Instant(floor(given, width) + width)
