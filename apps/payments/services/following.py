"""Whose invoices and payments are, as their deals are given to others."""

from django.db import transaction

from apps.accounts.models import User
from apps.accounts.rows import write_many
from apps.crm.models import Deal
from apps.payments.models import Invoice


@transaction.atomic
def follow_deal(deal: Deal) -> int:
    """Give the invoices of a deal to its owner and team; return how many changed hands."""
    rows = Invoice.objects.filter(deal=deal).order_by("pk").select_for_update(of=("self",), no_key=True)
    moved = [row for row in rows if (row.owner_id, row.team_id) != (deal.owner_id, deal.team_id)]
    for row in moved:
        row.owner_id, row.team_id = deal.owner_id, deal.team_id
    write_many([(row, ["owner_id", "team_id"]) for row in moved], actor=User.objects.system())
    return len(moved)
