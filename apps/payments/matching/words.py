"""Why an invoice is proposed for a bank line, in words."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

REASONS: dict[str, str | Promise] = {
    "number": _("its number is in the purpose"),
    "short_number": _("its number may be in the purpose"),
    "tax_id": _("same tax number"),
    "amount": _("exactly what is due"),
    "total": _("exactly its total"),
    "name": _("similar name"),
    "near": _("in its time"),
    "part": _("less than is due"),
    "more": _("more than is due"),
    "other_tax_id": _("another tax number"),
    "together": _("together exactly this amount"),
    "recorded": _("recorded by hand already"),
    "same_day": _("same day"),
}


def reason_words(codes: list[str] | tuple[str, ...]) -> list[str]:
    """Return reasons as people read them."""
    return [str(REASONS[code]) for code in codes if code in REASONS]
