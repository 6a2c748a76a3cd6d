"""
The templates that come with the platform, in each language of papers.

They are rows that the company may look at, copy, archive; a release that changes a source adds its next version, which
is put to use where the version before was the platform's as well.
"""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps
from django.db import router
from django.utils import timezone

from apps.documents.declarations import Type, Variable
from apps.documents.rendering.typst import shipped_source

_Pair = tuple[str, str]
LANGUAGES = ("ru", "en")


def _asked(
    name: str,
    label: _Pair,
    kind: Type = Type.TEXT,
    *,
    default: str = "",
    is_required: bool = False,
    source: str = "",
) -> tuple[str, _Pair, Type, str, bool, str]:
    return name, label, kind, default, is_required, source


_TERMS = _asked("terms", ("Условия", "Terms"), Type.LONG_TEXT)
_NOTES = _asked("notes", ("Примечания", "Notes"), Type.LONG_TEXT)
# Code, name, what is asked. The code is also that of the type of document, unless `_TYPES` says another.
PAPERS: list[tuple[str, _Pair, list[Any]]] = [
    (
        "contract",
        ("Договор", "Contract"),
        [
            _asked("city", ("Город", "Place")),
            _asked(
                "customer_signatory",
                ("Кто подписывает за заказчика (в родительном падеже)", "Who signs for the customer"),
                source="person.full_name",
            ),
            _asked(
                "customer_basis", ("На основании чего (устава, доверенности)", "On what basis"), default=""
            ),
            _asked("payment_terms", ("Порядок оплаты", "Payment terms"), Type.LONG_TEXT),
            _asked(
                "until", ("Срок исполнения", "To be done by"), Type.DATE, source="deal.expected_close_date"
            ),
            _TERMS,
        ],
    ),
    (
        "act",
        ("Акт выполненных работ", "Statement of completion"),
        [
            _asked("contract", ("К договору (номер и дата)", "Under the contract (number and date)")),
            _asked("period", ("Период", "Period")),
            _NOTES,
        ],
    ),
    (
        "invoice",
        ("Счёт на оплату", "Invoice"),
        [
            _asked("pay_until", ("Оплатить до", "Pay until"), Type.DATE, default="+5"),
            _asked("purpose", ("Назначение платежа", "Reference")),
            _asked(
                "payment_qr", ("Содержимое QR-кода для оплаты", "Content of the payment QR code"), Type.QR
            ),
            _NOTES,
        ],
    ),
    (
        "quote",
        ("Коммерческое предложение", "Quotation"),
        [
            _asked("valid_until", ("Действует до", "Valid until"), Type.DATE, default="+30"),
            _asked("introduction", ("Вступление", "Introduction"), Type.LONG_TEXT),
            _TERMS,
        ],
    ),
    # Of what a quote says, and asks nothing: what is sent was written there.
    ("offer", ("Коммерческое предложение", "Quotation"), []),
    # Of what an invoice says; the code to pay it by is filled in by whoever issues it.
    (
        "bill",
        ("Счёт на оплату", "Invoice"),
        [_asked("payment_qr", ("Содержимое QR-кода для оплаты", "Content of the payment QR code"), Type.QR)],
    ),
]
# What papers are about that are not about a deal, and what their type of document is called where not as they are.
_SOURCES = {"offer": "crm.quote", "bill": "payments.invoice"}
_TYPES = {"offer": "quote", "bill": "invoice"}


def ensure(app_config: AppConfig, using: str, apps: Apps = installed, **kwargs: Any) -> None:
    """
    Bring the platform's templates up to what this release ships, after migrations.

    :param apps: the state that migrations ended in; a flush, which tells none, has the installed one
    """
    try:
        templates = apps.get_model("documents", "Template")
    except LookupError:
        # The app was migrated back to before there were any.
        return
    if not router.allow_migrate_model(using, templates):
        return
    for code, names, asked in PAPERS:
        kind = (
            apps.get_model("documents", "DocumentType")
            .objects.using(using)
            .filter(code=_TYPES.get(code, code))
            .first()
        )
        if kind is None:
            continue
        for place, language in enumerate(LANGUAGES):
            template, _is_new = templates.objects.using(using).get_or_create(
                code=code,
                locale=language,
                defaults={
                    "name": names[place],
                    "kind": "TYPST",
                    "document_type": kind,
                    "source": _SOURCES.get(code, "crm.deal"),
                    "is_shipped": True,
                },
            )
            if template.is_shipped:
                _bring_up(template, apps, using, code, language, _declarations(asked, place))


def _declarations(asked: list[Any], place: int) -> list[dict[str, Any]]:
    return [
        Variable(
            name=name, label=labels[place], type=kind, default=default, is_required=is_required, source=source
        ).as_json()
        for name, labels, kind, default, is_required, source in asked
    ]


def _bring_up(
    template: Any, apps: Apps, using: str, code: str, language: str, variables: list[dict[str, Any]]
) -> None:
    """Add what this release ships as the next version, unless it is the platform's latest already."""
    versions = apps.get_model("documents", "TemplateVersion").objects.using(using)
    text = shipped_source(code, language)
    # Ours are nobody's; what people have added stands between them.
    shipped = versions.filter(template=template, created_by=None).order_by("-number").first()
    if shipped is not None and shipped.text == text and shipped.variables == variables:
        return
    last = versions.filter(template=template).order_by("-number").first()
    version = versions.create(
        template=template,
        number=last.number + 1 if last else 1,
        text=text,
        variables=variables,
        published_at=timezone.now(),
    )
    if template.current_version_id in (None, shipped.pk if shipped else None):
        type(template).objects.using(using).filter(pk=template.pk).update(current_version=version)
