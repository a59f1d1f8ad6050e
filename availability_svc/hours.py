"""Working hours as instants. Listing slots and holding one both decide by `working_spans` and `starts`.

An instant is working time exactly when its local wall-clock time lies in a window. Three things follow for a change
of the clocks: local times stay the same, a missing hour has no instant, and each instant of a repeated hour counts
once. Between two changes the zone's offset is constant, and the windows are plain arithmetic.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from availability_svc.domain import Span, Window, WorkingHours

#: The distance at which offsets are compared. No zone changes its clocks twice within an hour.
STEP = timedelta(hours=1)
SECOND, MINUTE, WEEK = timedelta(seconds=1), timedelta(minutes=1), timedelta(weeks=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def merge_windows(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The windows in order; windows that touch or overlap become one."""
    result: list[Window] = []
    for window in sorted(windows):
        if result and window.start <= result[-1].end:
            result[-1] = Window(result[-1].start, max(result[-1].end, window.end))
        else:
            result.append(window)
    return tuple(result)


def working_spans(hours: WorkingHours, within: Span) -> list[Span]:
    """The working time within a span, as spans in order that never touch."""
    result: list[Span] = []
    windows = merge_windows(hours.windows)
    for steady, offset in constant_offsets(ZoneInfo(hours.timezone), within):
        for span in _window_spans(windows, steady, offset):
            if result and result[-1].end == span.start:
                result[-1] = Span(result[-1].start, span.end)
            else:
                result.append(span)
    return result


def covers(hours: WorkingHours, lesson: Span) -> bool:
    """True when every instant of the lesson is working time."""
    return working_spans(hours, lesson) == [lesson]


def starts(hours: WorkingHours, every: timedelta, within: Span) -> Iterator[datetime]:
    """Each instant of a span at which a lesson may start, in order and once.

    The instants are counted from the start of each published window: of that day's local time, made an instant, and
    then in elapsed time. A window whose start is missing on that day starts at the end of the gap.
    """
    opened = [_open(hours, window, monday) for monday in _mondays(hours, within) for window in hours.windows]
    return heapq.merge(*(_grid(group, every, within) for group in _group_by_phase(opened, every)))


def is_start(hours: WorkingHours, every: timedelta, instant: datetime) -> bool:
    """True when a lesson may start at this instant."""
    return any(start == instant for start in starts(hours, every, Span(instant, instant + MINUTE)))


def _mondays(hours: WorkingHours, within: Span) -> Iterator[datetime]:
    """The local Mondays, 00:00, of the weeks that a span touches; wall-clock times without a zone."""
    zone = ZoneInfo(hours.timezone)
    first, last = (end.astimezone(zone).replace(tzinfo=None) for end in (within.start, within.end))
    monday = _monday(first)
    while monday <= last:
        yield monday
        monday += WEEK


def _monday(wall: datetime) -> datetime:
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=midnight.weekday())


@dataclass(frozen=True, slots=True)
class _Opened:
    """A window in one week: its local times, and the instants between which all of its working time lies."""

    zone: ZoneInfo
    opens: datetime
    closes: datetime
    first: datetime
    last: datetime

    def is_open(self, instant: datetime) -> bool:
        """True when the local clocks show a time of the window. Between `first` and `last` they may show others too."""
        if not self.first <= instant < self.last:
            return False
        return self.opens <= instant.astimezone(self.zone).replace(tzinfo=None) < self.closes


def _open(hours: WorkingHours, window: Window, monday: datetime) -> _Opened:
    zone = ZoneInfo(hours.timezone)
    opens, closes = monday + window.start * MINUTE, monday + window.end * MINUTE
    return _Opened(zone, opens, closes, _first_instant(zone, opens), _last_instant(zone, closes))


def _group_by_phase(opened: Iterable[_Opened], every: timedelta) -> Iterable[list[_Opened]]:
    """The windows, by the remainder at which they count. Two groups share no instant, so that none is computed twice.

    A tutor may publish a hundred windows that overlap. A listing must not cost a hundred times as much.
    """
    groups: dict[timedelta, list[_Opened]] = {}
    for window in opened:
        groups.setdefault((window.first - EPOCH) % every, []).append(window)
    return groups.values()


def _grid(group: list[_Opened], every: timedelta, within: Span) -> Iterator[datetime]:
    """The instants of a span at which a lesson may start in one of these windows, which count at the same remainder."""
    group = sorted(group, key=lambda window: window.first)
    instant = group[0].first + max(0, -((group[0].first - within.start) // every)) * every
    for window in group:
        instant = max(instant, window.first)
        while instant < min(window.last, within.end):
            if window.is_open(instant) or any(each.is_open(instant) for each in group):
                yield instant
            instant += every


def _first_instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """The first instant at which the clocks show this time, or the end of the gap in which they do not show it."""
    one, other = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return _find_change(zone, other, one) if other < one else one  # PEP 495: in a gap, fold 1 is the earlier


def _last_instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """An instant before which every instant lies at which the clocks show an earlier time."""
    return max(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def constant_offsets(zone: ZoneInfo, span: Span) -> Iterator[tuple[Span, timedelta]]:
    """The span, cut where the zone's offset from UTC changes; each piece with its offset."""
    start = span.start
    while start < span.end:
        offset = _offset(zone, start)
        end = _next_change(zone, start, span.end)
        yield Span(start, end), offset
        start = end


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None  # a ZoneInfo always has one
    return offset


def _next_change(zone: ZoneInfo, start: datetime, end: datetime) -> datetime:
    """The first instant after `start` with another offset; `end` when no change comes before it."""
    offset = _offset(zone, start)
    while start < end:
        ahead = min(start + STEP, end)
        if _offset(zone, ahead) != offset:
            return min(_find_change(zone, start, ahead), end)
        start = ahead
    return end


def _find_change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The instant between the two at which the offset changes, found by bisection. Zones change on whole seconds."""
    offset = _offset(zone, before)
    before, after = before.replace(microsecond=0), after.replace(microsecond=0)
    while after - before > SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        before, after = (middle, after) if _offset(zone, middle) == offset else (before, middle)
    return after


def _window_spans(windows: tuple[Window, ...], steady: Span, offset: timedelta) -> Iterator[Span]:
    """The parts of a span of constant offset that lie in a window. Wall-clock times are computed as if they were UTC."""
    first, last = steady.start + offset, steady.end + offset
    monday = _monday(first)
    while monday < last:
        for window in windows:
            start, end = max(monday + window.start * MINUTE, first), min(monday + window.end * MINUTE, last)
            if start < end:
                yield Span(start - offset, end - offset)
        monday += WEEK
