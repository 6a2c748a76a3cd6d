"""What stands in a paper: facts, what was filled in and who we are, as text in the paper's language."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.documents import declarations
from apps.documents.amounts import (
    Line,
    Money,
    amount_in_words,
    figure_text,
    money_text,
    percent_text,
    quantity_text,
    totals_of,
)
from apps.documents.declarations import Type, Variable
from apps.documents.models import LegalEntity, TemplateVersion
from apps.documents.rendering.typst import renderer
from apps.documents.sources import Source

OUR = (
    *("name", "full_name", "tax_id", "registration_number", "address", "phone", "email", "website"),
    *("bank_name", "bank_code", "account", "correspondent_account"),
    *("signatory_name", "signatory_title", "signatory_in_text", "signatory_basis"),
)
DOCUMENT = ("title", "number", "date")
TOTALS = ("net", "tax", "tax_label", "total", "total_in_words")
LINES = ("name", "quantity", "unit", "price", "price_figure", "discount", "amount", "amount_figure")
_TAX = {"ru": "НДС", "en": "VAT"}


@dataclass(frozen=True)
class Subject:
    """
    What a paper is to be made of.

    :ivar facts: what the source tells of the target; empty for a paper about nothing in particular
    :ivar inputs: what was filled in, as :func:`apps.documents.declarations.cleaned` returns it
    """

    version: TemplateVersion
    entity: LegalEntity | None
    facts: Mapping[str, Any]
    inputs: Mapping[str, Any]
    title: str
    date: date


def known_names(source: Source | None, variables: Sequence[Variable]) -> set[str]:
    """Return every name that a template of this source, which asks for these variables, may use."""
    names = {"language", "is_draft", "currency", *(f"our.{name}" for name in OUR)}
    names |= {f"document.{name}" for name in DOCUMENT}
    for variable in variables:
        names.add(variable.name)
        if variable.type == Type.MONEY:
            names.add(f"{variable.name}_in_words")
    if source is not None:
        names |= source.names()
        if source.has_lines:
            names |= {"lines", *(f"lines[].{name}" for name in LINES), *(f"totals.{name}" for name in TOTALS)}
    return names


def compose(subject: Subject, source: Source | None, *, is_draft: bool) -> dict[str, Any]:
    """
    Return the data of a paper, in which all is text; the number is still empty.

    :raises ValidationError: the template shows totals, and a line has no price ("line_without_price")
    """
    language = subject.version.template.locale
    currency = str(subject.facts.get("currency") or settings.BASE_CURRENCY)
    variables = declarations.stored(subject.version.variables)
    inputs = declarations.input_texts(variables, subject.inputs, language=language, currency=currency)
    data: dict[str, Any] = {
        "language": language,
        "is_draft": is_draft,
        "currency": currency,
        "logo": "",
        "qr": next((inputs[one.name] for one in variables if one.type == Type.QR), ""),
        "document": {
            "title": subject.title,
            "number": "",
            "date": declarations.date_text(subject.date, language),
        },
        "our": _our(subject.entity, language),
        "inputs": inputs,
    }
    if source is not None:
        _tell(data, source, subject.facts, language)
        if source.has_lines:
            _add_lines(data, subject, currency, language)
    return data


def flat(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data as Word templates read them: what was filled in stands under its own name."""
    return {**data["inputs"], **data}


def digest_of(version: TemplateVersion, data: Mapping[str, Any], *, logo: str) -> str:
    """
    Return the digest of all that a paper is made of: two papers of one digest say the same.

    :param logo: the digest of the picture; "" for none
    """
    content = version.blob.digest if version.blob else hashlib.sha256(version.text.encode()).hexdigest()
    whole = json.dumps([content, renderer(), logo, data], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(whole.encode()).hexdigest()


def uses(version: TemplateVersion, name: str) -> bool:
    """Tell whether a template names something, or a part of it."""
    if version.text:
        return f"{name}()" in version.text or f"data.{name}" in version.text
    return any(one == name or one.startswith((f"{name}.", f"{name}[")) for one in version.found)


def _our(entity: LegalEntity | None, language: str) -> dict[str, str]:
    return {name: entity.said(name, language) if entity else "" for name in OUR}


def _tell(data: dict[str, Any], source: Source, facts: Mapping[str, Any], language: str) -> None:
    for fact in source.facts:
        value = declarations.looked_up(facts, fact.name)
        _put(data, fact.name, _text_of(value, language))
        if fact.type == Type.MONEY:
            is_known = isinstance(value, Money)
            words = amount_in_words(value.amount, value.currency, language) if is_known else ""
            _put(data, f"{fact.name}_in_words", words)


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    *above, name = path.split(".")
    for part in above:
        data = data.setdefault(part, {})
    data[name] = value


def _text_of(value: Any, language: str) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return value
    if isinstance(value, Money):
        return money_text(value.amount, value.currency, language)
    if isinstance(value, date):
        return declarations.date_text(value, language)
    if isinstance(value, Decimal):
        return quantity_text(value, language)
    return str(value)


def _add_lines(data: dict[str, Any], subject: Subject, currency: str, language: str) -> None:
    lines: Sequence[Line] = subject.facts.get("lines", ())
    data["lines"] = [_line(line, currency, language) for line in lines]
    amounts = [line.amount(currency) for line in lines]
    data["totals"] = dict.fromkeys(TOTALS, "")
    if None in amounts:
        if uses(subject.version, "totals"):
            open_line = lines[amounts.index(None)]
            raise ValidationError(
                _("The line “%(name)s” has no price yet: the paper cannot say what all of it comes to."),
                code="line_without_price",
                params={"name": open_line.name},
            )
        return
    rate = subject.entity.tax_percent if subject.entity else None
    # A source that has reckoned them itself is believed: its paper says what its page says.
    sums = subject.facts.get("totals") or totals_of(
        [amount for amount in amounts if amount is not None], currency, tax_percent=rate
    )
    if sums.by_rate is not None:
        rate = sums.by_rate[0][0] if len(sums.by_rate) == 1 else None
    words = amount_in_words(sums.total, currency, language)
    data["totals"] = {
        "net": money_text(sums.net, currency, language),
        "tax": money_text(sums.tax, currency, language),
        "tax_label": _tax_label(rate, language) if rate else "",
        "total": money_text(sums.total, currency, language),
        "total_in_words": words[:1].upper() + words[1:],
        "taxes": [
            {"label": _tax_label(of, language), "tax": money_text(tax, currency, language)}
            for of, tax in sums.by_rate or ()
        ],
    }


def _tax_label(rate: Decimal, language: str) -> str:
    return f"{_TAX.get(language, _TAX['en'])} {percent_text(rate, language)}"


def _line(line: Line, currency: str, language: str) -> dict[str, str]:
    amount = line.amount(currency)
    return {
        "name": line.name,
        "quantity": quantity_text(line.quantity, language),
        "unit": line.unit,
        "price": "" if line.price is None else money_text(line.price, currency, language),
        "price_figure": "–" if line.price is None else figure_text(line.price, currency, language),
        "discount": percent_text(line.discount_percent, language) if line.discount_percent else "",
        "amount": "" if amount is None else money_text(amount, currency, language),
        "amount_figure": "–" if amount is None else figure_text(amount, currency, language),
    }
