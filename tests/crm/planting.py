"""Rows of every place in which something personal may stand, for tests that nothing is left of it."""

from datetime import date, timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone

from apps.accounts.models import User
from apps.common.personal import place_of
from apps.crm.models import AutomationRule, AutomationRun, Deal, ImportBatch, ImportRow, Person, Quote
from apps.documents.models import (
    Approval,
    ApprovalStep,
    Bundle,
    BundledDocument,
    Document,
    DocumentText,
    Generation,
    ShareLink,
    ShareVisit,
    SignatureEvent,
    SignatureRecipient,
    SignatureRequest,
    Template,
    TemplateVersion,
    UploadSession,
)
from apps.events.models import Delivery, Event
from apps.lists.models import BulkEdit, BulkRow, Export, ExportPart, SavedView, SelectedRow, Selection
from apps.notifications.models import Task, WebhookDelivery, WebhookEndpoint
from apps.payments.models import (
    Invoice,
    InvoiceLetter,
    LedgerAccount,
    Payment,
    PaymentAttempt,
    ProviderAccount,
    WebhookMessage,
)
from tests.documents.factories import kind
from tests.payments.people import make_entity


def sow(model: type[models.Model], word: str, **given: Any) -> Any:
    """Make a row with the word in each personal column, and whatever else it needs; without a word just any."""
    personal = place_of(model._meta.label_lower).columns if word else {}
    values: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if field.name in given or field.attname in given or field.primary_key or field.generated:
            continue
        if field.name in personal and (text := _saying(field, word)) is not None:
            values[field.name] = text
        elif not (field.has_default() or field.null or field.blank or getattr(field, "auto_now_add", False)):
            values[field.name] = _something(field)
    return model._base_manager.create(**values, **given)


def _saying(field: Any, word: str) -> Any:
    if isinstance(field, models.JSONField):
        return [word] if isinstance(field.get_default(), list) else {"text": word}
    if isinstance(field, models.BinaryField):
        return word.encode()[: field.max_length or 99]
    if isinstance(field, models.EmailField):
        return f"{word}@example.org"
    if isinstance(field, models.CharField | models.TextField) and not field.choices:
        return word[: field.max_length or 99]
    return None


def _something(field: Any) -> Any:
    if field.choices:
        return field.choices[0][0]
    if isinstance(field, models.DateTimeField):
        return timezone.now() + timedelta(days=1)
    if isinstance(field, models.DateField):
        return date(2026, 11, 30)
    return 1 if isinstance(field, models.IntegerField) else "x"


def plant_everywhere(actor: User, person: Person, word: str) -> None:
    """Plant a word about a person where services would only by long ways: papers, files, answers, logs, copies."""
    document = Document.objects.get(links__target_id=person.pk, links__target_type__model="person")
    _plant_papers(actor, person, document, word)
    _plant_sales(actor, person, word)
    _plant_copies(actor, person, word)
    _plant_money(actor, person, word)


def _plant_papers(actor: User, person: Person, document: Document, word: str) -> None:
    version = document.versions.get()
    DocumentText.objects.filter(document=document).delete()
    sow(DocumentText, word, document=document, version=version, words=word)
    link = sow(ShareLink, word, document=document, version=version, digest="d" * 64, created_by=actor)
    sow(ShareVisit, word, link=link, address="203.0.113.7")
    approval = sow(Approval, word, document=document, document_version=version, created_by=actor)
    sow(ApprovalStep, word, approval=approval, assignee=actor)
    request = sow(
        SignatureRequest, word, document=document, document_version=version, digest="0" * 64, created_by=actor
    )
    recipient = sow(SignatureRecipient, word, request=request)
    sow(SignatureEvent, word, request=request, recipient=recipient, digest="0" * 64)
    sow(
        Generation,
        word,
        template_version=version_of_template(actor),
        owner=actor,
        target_model="crm.person",
        target_id=person.pk,
    )
    sow(UploadSession, word, owner=actor, document_version=version)
    bundle = sow(Bundle, word, owner=actor, storage_name="")
    BundledDocument.objects.create(bundle=bundle, position=1, document=document, version=version)


def version_of_template(actor: User) -> TemplateVersion:
    template = sow(Template, "", code="letter", document_type=kind())
    return sow(TemplateVersion, "", template=template, number=1, text="x", created_by=actor)  # type: ignore[no-any-return]


def _plant_sales(actor: User, person: Person, word: str) -> None:
    deal = Deal.objects.filter(person=person).first()
    sow(Quote, word, deal=deal, number="Q-7", revision=7, currency="RUB", locale="ru", created_by=actor)
    batch = sow(ImportBatch, word, kind="people", storage_name="", owner=actor)
    sow(ImportRow, word, batch=batch, line=1, target_id=person.pk)
    rule = AutomationRule.objects.create(name="Rule", trigger="crm.person.changed", owner=actor)
    sow(AutomationRun, word, rule=rule, event_id=1, subject=f"person/{person.pk}")


def _plant_money(actor: User, person: Person, word: str) -> None:
    """What is not on the books yet, and what somebody is to do about it."""
    sow(
        Invoice,
        word,
        legal_entity=make_entity(),
        person=person,
        owner=actor,
        currency="RUB",
        locale="ru",
    )
    cash = LedgerAccount.objects.get(purpose="CASH")
    sow(Payment, word, person=person, owner=actor, account=cash, status="CANCELED", currency="RUB")
    written = Invoice.objects.latest("pk")
    InvoiceLetter.objects.create(
        invoice=written, kind="INVOICE", recipients=[f"{word}@example.org"], created_by=actor
    )
    other = sow(Payment, word, person=person, owner=actor, account=cash, status="CANCELED", currency="RUB")
    account = ProviderAccount.objects.create(provider="YOOKASSA", mode="TEST", webhook_key="x")
    sow(
        PaymentAttempt,
        word,
        payment=other,
        account=account,
        external_id="charge-7",
        state="CANCELED",
        ended_at=timezone.now(),
    )
    sow(WebhookMessage, word, account=account, event_id="payment.canceled:charge-7", state="DONE")
    kind = ContentType.objects.get_for_model(Person)
    sow(Task, word, assignee=actor, target_type=kind, target_id=person.pk)


def _plant_copies(actor: User, person: Person, word: str) -> None:
    fact = Event.objects.filter(subject=f"person/{person.pk}").latest("pk")
    sow(Delivery, word, event=fact, receiver="somebody")
    endpoint = WebhookEndpoint.objects.create(
        url="https://example.org/hook",
        owner=actor,
        event_types=["crm.*"],
        secret="x",
        rotated_at=timezone.now(),
    )
    sow(WebhookDelivery, word, endpoint=endpoint, event=fact, subject=fact.subject, state="DELIVERED")
    kind = ContentType.objects.get_for_model(Person)
    sow(LogEntry, word, user=actor, content_type=kind, object_id=str(person.pk), action_flag=2)
    selection = Selection.objects.create(owner=actor, model_label="crm.person", count=1)
    SelectedRow.objects.create(selection=selection, position=1, row_id=person.pk)
    edit = BulkEdit.objects.create(owner=actor, model_label="crm.person", selection=selection, count=1)
    sow(BulkRow, word, edit=edit, position=1, row_id=person.pk)
    point = person.contact_points.get(kind="EMAIL")
    SavedView.objects.create(owner=actor, page="crm.person", name=f"V{person.pk}", params={"q": point.raw})
    export = sow(Export, word, owner=actor, model_label="crm.person", selection=selection, storage_name="")
    sow(ExportPart, word, export=export)
