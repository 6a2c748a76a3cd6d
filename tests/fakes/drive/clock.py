"""The time that the fake lives in."""

from datetime import UTC, datetime, timedelta


class Clock:
    """The real time, moved forward as far as a test wants, or standing still."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._frozen: datetime | None = None

    def now(self) -> datetime:
        return self._frozen or datetime.now(UTC) + self._offset

    def advance(self, **amount: float) -> None:
        """Move forward: `advance(days=8)`."""
        step = timedelta(**amount)
        if self._frozen is None:
            self._offset += step
        else:
            self._frozen += step

    def freeze(self) -> None:
        """Stand still until `thaw`, but for `advance`."""
        self._frozen = self.now()

    def thaw(self) -> None:
        """Go on from where it stood still."""
        if self._frozen is not None:
            self._offset = self._frozen - datetime.now(UTC)
            self._frozen = None


def rfc3339(moment: datetime) -> str:
    """Write a time as Google does: in UTC, with milliseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
