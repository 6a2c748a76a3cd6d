"""A customer's statement of account as a PDF: what was owed, each step, and what is owed now."""

from datetime import date, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, override, pgettext
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.accounts.owned_rows import named
from apps.common.amounts import to_decimal
from apps.common.templatetags.artel import money
from apps.crm.models import Company, Person
from apps.documents.rendering.typst import set_paper, shipped_source
from apps.documents.services.legal_entities import usual_entity
from apps.payments.selectors import Statement, StatementRow, customer_statement

_LANGUAGES = ("ru", "en")
# More is no paper any more.
MOST_ROWS = 5000


def statement_paper(
    actor: User,
    currency: str,
    *,
    company_id: int | None = None,
    person_id: int | None = None,
    first: date | None = None,
    last: date | None = None,
) -> bytes:
    """
    Return a customer's statement of account, in the language of the moment.

    :param first: the first day that is told step by step; a year before `last` unless said
    :raises ValidationError: nobody is named, or somebody whom the actor does not see ("not_found", "required"), or there
        are too many steps ("too_many")
    """
    if (company_id is None) is (person_id is None):
        raise ValidationError(_("Name a company or a person."), code="required")
    company = named(Company, company_id, actor=actor, field="company")
    person = named(Person, person_id, actor=actor, field="person")
    end = last or timezone.localdate()
    begin = first or end - timedelta(days=365)
    said = customer_statement(
        actor, currency, company_id=company_id, person_id=person_id, first=begin, last=end
    )
    if len(said.rows) > MOST_ROWS:
        raise ValidationError(
            _("These are too many steps for one paper: choose fewer days."), code="too_many"
        )
    language = (get_language() or "en").split("-")[0]
    language = language if language in _LANGUAGES else "en"
    entity = usual_entity(actor=actor)
    sides = (str(entity.full_name or entity.name) if entity else "", str(company or person))
    with override(language):
        data = _data(said, sides, begin, end)
        return set_paper(
            shipped_source("account", language), data | {"language": language}, at=timezone.now()
        )


def _data(said: Statement, sides: tuple[str, str], first: date, last: date) -> dict[str, Any]:
    ours, theirs = sides
    debit = sum(row.amount_minor for row in said.rows if row.amount_minor > 0)
    credit = -sum(row.amount_minor for row in said.rows if row.amount_minor < 0)
    return {
        "heading": _("Statement of account"),
        "said": _("From %(first)s to %(last)s") % {"first": _day(first), "last": _day(last)},
        "facts": [
            [_("Customer"), theirs],
            *([[_("By the books of"), ours]] if ours else []),
            [_("Currency"), said.currency],
        ],
        "columns": [
            _("Date"),
            _("What"),
            pgettext("statement", "Owed"),
            pgettext("statement", "Paid"),
            _("Balance"),
        ],
        "opening": [_("Balance before"), _money(said.opening_minor, said.currency)],
        "rows": [_row(row, said.currency) for row in said.rows],
        "turnover": [_money(debit, said.currency), _money(credit, said.currency)],
        "closing": [_("Balance after"), _money(said.closing_minor, said.currency)],
        "conclusion": _conclusion(said, theirs, last),
        "signatures": [each for each in (ours, theirs) if each],
    }


def _row(row: StatementRow, currency: str) -> list[str]:
    is_owed = row.amount_minor > 0
    amount = _money(abs(row.amount_minor), currency)
    return [
        _day(row.date),
        row.text,
        amount if is_owed else "",
        "" if is_owed else amount,
        _money(row.balance_minor, currency),
    ]


def _conclusion(said: Statement, theirs: str, last: date) -> str:
    named = {
        "day": _day(last),
        "customer": theirs,
        "amount": money(to_decimal(abs(said.closing_minor), said.currency), said.currency),
    }
    if said.closing_minor > 0:
        return _("On %(day)s, %(customer)s owes %(amount)s.") % named
    if said.closing_minor < 0:
        return _("On %(day)s, %(customer)s has paid %(amount)s ahead.") % named
    return _("On %(day)s, nothing is owed on either side.") % named


def _money(minor: int, currency: str) -> str:
    return str(money(to_decimal(minor, currency), currency))


def _day(value: date) -> str:
    return date_format(value, "d.m.Y")
