"""How fast a job has been going lately, and when it will be done at that."""

from collections import deque

# A forecast looks back this far: long enough to even chunks out, short enough to notice a change of pace.
WINDOW_SECONDS = 30.0
# Below this there is only start-up noise.
_MIN_SECONDS = 1.0


class Pace:
    """Remembers where a job was at which moments of the recent past."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def add(self, at: float, done: int) -> None:
        """
        Note how far the job is.

        :param at: seconds of a clock that only goes forward
        """
        if self._points and done < self._points[-1][1]:
            self._points.clear()
        self._points.append((at, done))
        # One point from before the window stays, so that chunks longer than it still give a rate.
        while len(self._points) > 2 and self._points[1][0] <= at - WINDOW_SECONDS:
            self._points.popleft()

    def seconds_left(self, total: int | None) -> float | None:
        """Return how long the rest takes at the recent rate; None while nobody can tell."""
        if total is None or not self._points:
            return None
        (first_at, first), (last_at, last) = self._points[0], self._points[-1]
        if last >= total:
            return 0.0
        if last_at - first_at < _MIN_SECONDS or last <= first:
            return None
        return (total - last) * (last_at - first_at) / (last - first)
