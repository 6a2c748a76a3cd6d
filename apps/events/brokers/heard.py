"""What a consumer of facts has heard: by it twins, latecomers and gaps are known."""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# So many ids and aggregates are remembered; a system of record keeps them in its database instead.
_MOST = 100_000


class Verdict(StrEnum):
    """What a message is, after those that were heard before."""

    NEW = "new"
    DUPLICATE = "duplicate"
    # A later fact of the same aggregate has come before this one.
    LATE = "late"
    # Between this one and the last of its aggregate one or more are missing.
    GAP = "gap"


@dataclass
class Heard:
    """What one consumer has heard."""

    ids: "OrderedDict[str, None]" = field(default_factory=OrderedDict)
    sequences: "OrderedDict[str, int]" = field(default_factory=OrderedDict)

    def judge(self, event: dict[str, Any]) -> Verdict:
        """
        Take note of a CloudEvent and say what it is.

        Who hears some types of facts only finds gaps where others of the aggregate were told.
        """
        if event["id"] in self.ids:
            return Verdict.DUPLICATE
        _remember(self.ids, event["id"], None)
        subject, sequence = event["subject"], int(event["sequence"])
        last = self.sequences.get(subject)
        if last is not None and sequence < last:
            return Verdict.LATE
        _remember(self.sequences, subject, sequence)
        return Verdict.NEW if last is None or sequence == last + 1 else Verdict.GAP


def _remember(known: "OrderedDict[str, Any]", key: str, value: Any) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > _MOST:
        known.popitem(last=False)
