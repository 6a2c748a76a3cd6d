"""What files of people and companies hold beside their own fields."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.models import Company, ContactPoint, Employment, Person
from apps.lists.exporting.columns import Kind, add_column
from apps.lists.exporting.reading import among


def declare() -> None:
    """Add the columns; called when the app is ready."""
    add_column(Person, "company", _("company"), Kind.TEXT, _employers)
    for model, holder in ((Person, "person_id"), (Company, "company_id")):
        for kind in ContactPoint.Kind:
            add_column(
                model, kind.value.lower(), kind.label, Kind.TEXT, partial(_contacts, holder, kind.value)
            )


def _employers(keys: Sequence[int], actor: User) -> Mapping[int, str]:
    """Return where people mainly work, as far as `actor` sees those companies."""
    companies = Company.objects.filter(access.scope(actor, "view", Company))
    rows = Employment.objects.filter(person__in=among(keys), is_primary=True, company__in=companies)
    return dict(rows.values_list("person_id", "company__name"))


def _contacts(holder: str, kind: str, keys: Sequence[int], actor: User) -> Mapping[int, str]:
    """Return how to reach each row: the primary contact first. Who sees a row sees its contacts."""
    points = ContactPoint.objects.active().filter(kind=kind, **{f"{holder}__in": among(keys)})
    found: defaultdict[int, list[str]] = defaultdict(list)
    for row, raw in points.order_by("-is_primary", "pk").values_list(holder, "raw"):
        found[row].append(raw)
    return {row: ", ".join(several) for row, several in found.items()}
