"""Pages of a paper as pictures, which every browser shows."""

import io
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.documents import sandbox

# A contract has a few pages; whoever wants to see more of it takes the file.
MOST_PAGES = 12


@dataclass(frozen=True)
class Pages:
    """
    The first pages of a paper.

    :ivar pictures: as WebP
    :ivar count: how many there are in all
    """

    pictures: list[bytes]
    count: int


def pages_of(pdf: bytes) -> Pages:
    """Draw the first pages of a PDF. :raises ValidationError: it cannot be shown ("unseen")"""
    try:
        with sandbox.work("pdf", io.BytesIO(pdf), pages=MOST_PAGES) as outcome:
            count = int(outcome.facts["pages"])
            shown = range(1, min(count, MOST_PAGES) + 1)
            pictures = [(outcome.directory / f"out-page-{number}.webp").read_bytes() for number in shown]
    except sandbox.Refused as refused:
        raise ValidationError(_("This paper cannot be shown."), code="unseen") from refused
    return Pages(pictures, count)
