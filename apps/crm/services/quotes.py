"""What happens to quotes: the one way to draft, send, supersede, accept, reject and expire one, whatever the face."""

from datetime import date, timedelta
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from apps.accounts.models import User
from apps.accounts.services.letters import send_letter
from apps.common.links import new_token
from apps.common.origin import origin
from apps.crm import events, letters
from apps.crm.models import ContactPoint, Deal, Quote
from apps.crm.services import rows
from apps.crm.services.deals import require_open
from apps.crm.services.lines import lines_of, require_not_agreed
from apps.crm.services.quote_lines import copy_lines
from apps.crm.totals import deal_amount_of
from apps.documents.amounts import LANGUAGES
from apps.documents.models import Document, DocumentLink, Generation, Template
from apps.documents.services.documents import Target, link_document
from apps.documents.services.generation import Request, start_generation

Status = Quote.Status
# The code of the templates that quotes are printed by, one in each language.
TEMPLATE = "offer"
VALID_DAYS = 30


class QuoteFields(TypedDict, total=False):
    """What people write on a draft."""

    valid_until: date
    introduction: str
    terms: str
    locale: str
    recipient_name: str
    recipient_email: str


@transaction.atomic
def create_quote(deal_id: int, *, actor: User, **fields: Unpack[QuoteFields]) -> Quote:
    """
    Draft the next revision of a deal's quote. It says what the deal says until it is sent.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "archived", "deal_not_open", there is a draft ("quote_one_draft"), a quote was accepted
        ("quote_accepted"), or a value is refused
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="change")
    require_open(deal)
    require_not_agreed(deal)
    last = deal.quotes.order_by("-revision").first()
    quote = Quote(
        deal=deal,
        # Of a deal D-2026-000012, Q-2026-000012.
        number=f"Q{deal.number[1:]}",
        revision=last.revision + 1 if last else 1,
        currency=deal.currency,
        **{**_usual(deal, last), **fields},
    )
    _require_language(quote.locale)
    rows.insert(quote, actor=actor)
    copy_lines(quote, deal, list(lines_of(deal)), actor=actor)
    return quote


def _usual(deal: Deal, last: Quote | None) -> dict[str, Any]:
    """Return what a quote begins with: what the last one said, and else what we know of the customer."""
    found: dict[str, Any] = {"valid_until": timezone.localdate() + timedelta(days=VALID_DAYS)}
    if last is not None:
        names = ("introduction", "terms", "locale", "recipient_name", "recipient_email")
        return found | {name: getattr(last, name) for name in names}
    person = deal.person
    spoken = (person.locale if person else "").split("-")[0]
    found["locale"] = spoken if spoken in LANGUAGES else settings.LANGUAGE_CODE.split("-")[0]
    if person is not None:
        points = person.contact_points.active().filter(kind=ContactPoint.Kind.EMAIL)
        email = points.order_by("-is_primary", "id").first()
        found |= {"recipient_name": str(person), "recipient_email": email.value if email else ""}
    return found


def _require_language(locale: str) -> None:
    if locale not in LANGUAGES:
        raise rows.refusal("locale", _("Quotes are not written in this language."), code="invalid")


@transaction.atomic
def change_quote(
    quote_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[QuoteFields]
) -> Quote:
    """
    Change what is written on a draft.

    :raises DoesNotExist: the quote is out of sight
    :raises PermissionDenied: the actor may not change its deal
    :raises ValidationError: it was sent ("quote_sent"), "archived", "stale", or a value is refused
    """
    quote, _deal = _locked(quote_id, actor=actor, expected_version=expected_version)
    _require_draft(quote)
    changes: dict[str, Any] = rows.differing(quote, dict(fields))
    if "locale" in changes:
        _require_language(changes["locale"])
    return rows.write(quote, changes, actor=actor) if changes else quote


@transaction.atomic
def discard_quote(quote_id: int, *, actor: User, expected_version: int | None = None) -> None:
    """
    Throw a draft away.

    :raises DoesNotExist: the quote is out of sight
    :raises PermissionDenied: the actor may not change its deal
    :raises ValidationError: it was sent ("quote_sent"), "archived", "stale"
    """
    quote, _deal = _locked(quote_id, actor=actor, expected_version=expected_version)
    _require_draft(quote)
    quote.delete()


@transaction.atomic
def send_quote(quote_id: int, *, link: str, actor: User, expected_version: int | None = None) -> Quote:
    """
    Freeze a draft, have its paper made, and send the customer the link; what was out before is superseded.

    The letter goes once the paper is there: see :func:`deliver_quote`.

    :param link: the address where quotes are answered, up to the secret
    :raises DoesNotExist: the quote is out of sight
    :raises PermissionDenied: the actor may not change its deal, or make documents
    :raises ValidationError: it was sent ("quote_sent"), "archived", "stale", "deal_not_open", "quote_accepted", there is
        nothing in it ("no_lines"), a line has no price ("line_without_price"), its time is over ("valid_until_past"),
        nobody is to get it ("required"), or there is no template ("no_template")
    """
    quote, deal = _locked(quote_id, actor=actor, expected_version=expected_version)
    _require_draft(quote)
    require_open(deal)
    require_not_agreed(deal)
    copy_lines(quote, deal, list(lines_of(deal)), actor=actor)
    _require_complete(quote)
    for earlier in deal.quotes.select_for_update(of=("self",)).filter(status=Status.SENT):
        _close(earlier, Status.SUPERSEDED, actor=actor)
        events.publish_quote(events.QUOTE_SUPERSEDED, earlier.pk, actor_id=actor.pk)
    values = {"status": Status.SENT, "sent_at": timezone.now(), "link": link}
    rows.write(quote, values, actor=actor)
    _start_paper(quote, actor=actor)
    events.publish_quote(events.QUOTE_SENT, quote.pk, actor_id=actor.pk)
    return quote


def _require_complete(quote: Quote) -> None:
    """Insist that a draft can be sent. :raises ValidationError: as :func:`send_quote`"""
    lines = list(quote.lines.order_by("position"))
    if not lines:
        raise ValidationError(
            _("There is nothing in this quote. Add lines to the deal first."), code="no_lines"
        )
    without = next((line for line in lines if line.unit_price is None), None)
    if without is not None:
        raise ValidationError(
            _("The line “%(name)s” has no price yet."),
            code="line_without_price",
            params={"name": without.name},
        )
    if quote.valid_until < timezone.localdate():
        raise rows.refusal("valid_until", _("This day is over."), code="valid_until_past")
    for name, value in (
        ("recipient_name", quote.recipient_name),
        ("recipient_email", quote.recipient_email),
    ):
        if not value.strip():
            raise rows.refusal(name, _("Say who gets the quote, with name and e-mail."), code="required")


def _start_paper(quote: Quote, *, actor: User) -> None:
    templates = Template.objects.visible_to(actor).filter(archived_at=None, current_version__isnull=False)
    template = templates.filter(code=TEMPLATE, locale=quote.locale).first()
    if template is None:
        raise ValidationError(
            _("There is no template of quotes in this language. Restore it, or publish one."),
            code="no_template",
        )
    with override(quote.locale):
        title = f"{template.name} {quote.number}" + (f"/{quote.revision}" if quote.revision > 1 else "")
    request = Request(template.pk, Target("crm.quote", quote.pk, DocumentLink.Role.QUOTE), title=title)
    start_generation(request, actor=actor, key=f"quote-{quote.pk}")


@transaction.atomic
def deliver_quote(quote_id: int, *, document_id: int) -> None:
    """
    Send the customer the link to a quote whose paper is made by now; doing it twice is doing it once.

    Called by the system when a document of a quote has got its content.
    """
    system = User.objects.system()
    try:
        quote, deal = _locked(quote_id, actor=system)
    except ObjectDoesNotExist:
        return
    # Not what somebody has linked to it by hand.
    made = Generation.objects.filter(document=document_id, target_model="crm.quote", target_id=quote_id)
    documents = Document.objects.select_related("current_version__blob").filter(
        pk__in=made.values("document")
    )
    document = documents.first()
    if (
        quote.status != Status.SENT
        or quote.paper_digest
        or document is None
        or document.current_version is None
    ):
        return
    values = {"document": document, "paper_digest": document.current_version.blob.digest}
    rows.write(quote, values, actor=system)
    link_document(document.pk, Target("crm.deal", deal.pk, DocumentLink.Role.QUOTE), actor=system)
    _send_link(quote, actor=system)


@transaction.atomic
def send_again(quote_id: int, *, link: str, actor: User, expected_version: int | None = None) -> Quote:
    """
    Send the customer a new link to a quote that is out; the one before leads nowhere any more.

    :param link: the address where quotes are answered, up to the secret
    :raises DoesNotExist: the quote is out of sight
    :raises PermissionDenied: the actor may not change its deal
    :raises ValidationError: it is not out ("quote_not_sent"), its paper is still being made ("paper_missing"),
        "archived", "stale"
    """
    quote, _deal = _locked(quote_id, actor=actor, expected_version=expected_version)
    _require_out(quote)
    rows.write(quote, {"link": link}, actor=actor)
    _send_link(quote, actor=actor)
    return quote


@transaction.atomic
def new_link(
    quote_id: int, *, link: str, actor: User, expected_version: int | None = None
) -> tuple[Quote, str]:
    """
    Return a new link to a quote that is out, to be passed on by hand; the one before leads nowhere any more.

    :return: the quote and the whole address, which is told this once
    :raises DoesNotExist: the quote is out of sight
    :raises PermissionDenied: the actor may not change its deal
    :raises ValidationError: as :func:`send_again`
    """
    quote, _deal = _locked(quote_id, actor=actor, expected_version=expected_version)
    _require_out(quote)
    token, digest = new_token()
    rows.write(quote, {"link": link, "token_digest": digest}, actor=actor)
    return quote, f"{link}{token}/"


def _require_out(quote: Quote) -> None:
    if not quote.is_answerable(timezone.localdate()):
        raise ValidationError(_("This quote is not out any more."), code="quote_not_sent")
    if not quote.paper_digest:
        raise ValidationError(_("Its paper is still being made."), code="paper_missing")


def _send_link(quote: Quote, *, actor: User) -> None:
    token, digest = new_token()
    rows.write(quote, {"token_digest": digest}, actor=actor)
    with override(quote.locale):
        until = letters.day(quote.valid_until)
    context = {
        "name": quote.recipient_name,
        "sender": str(quote.deal.owner),
        "number": quote.number,
        "until": until,
        "link": f"{quote.link}{token}/",
    }
    send_letter(letters.QUOTE, quote.recipient_email, context, language=quote.locale)


# What the customer and the clock do


@transaction.atomic
def accept_quote(digest: str, *, name: str, has_agreed: bool, paper_digest: str) -> Quote:
    """
    Accept a quote in the name of whom the link was sent to; the deal comes to what it says from then on.

    :param digest: of the secret in the link
    :param paper_digest: of the paper that they were shown
    :raises DoesNotExist: there is no such link, or it has ended
    :raises ValidationError: somebody has answered ("decided"), the name is missing ("required"), they do not agree
        ("not_agreed"), or the paper is another one ("content_changed")
    """
    quote, deal = _by_link(digest)
    _require_open_answer(quote, deal)
    if not name.strip():
        raise rows.refusal("name", _("Write your name."), code="required")
    if not has_agreed:
        raise rows.refusal("has_agreed", _("Say that you accept what the quote says."), code="not_agreed")
    if not paper_digest or paper_digest != quote.paper_digest:
        raise ValidationError(
            _("This quote is not what was sent to you. Ask whoever sent you the link."),
            code="content_changed",
        )
    system = User.objects.system()
    _decide(quote, Status.ACCEPTED, actor=system, decided_by_name=name.strip())
    # The version of the deal counts on: whoever looks at it by the old amount is told.
    values = {"amount": deal_amount_of(quote), "amount_mode": Deal.AmountMode.QUOTE}
    rows.write(deal, values, actor=system)
    events.publish_quote(events.QUOTE_ACCEPTED, quote.pk, actor_id=system.pk)
    events.publish_deal(events.DEAL_CHANGED, deal.pk, actor_id=system.pk)
    return quote


@transaction.atomic
def reject_quote(digest: str, *, reason: str) -> Quote:
    """
    Reject a quote in the name of whom the link was sent to.

    :param digest: of the secret in the link
    :raises DoesNotExist: there is no such link, or it has ended
    :raises ValidationError: somebody has answered ("decided"), or does not say why ("required")
    """
    quote, deal = _by_link(digest)
    _require_open_answer(quote, deal)
    if not reason.strip():
        raise rows.refusal("reason", _("Say why, in a few words."), code="required")
    system = User.objects.system()
    _decide(
        quote,
        Status.REJECTED,
        actor=system,
        decided_by_name=quote.recipient_name,
        rejected_reason=reason.strip(),
    )
    events.publish_quote(events.QUOTE_REJECTED, quote.pk, actor_id=system.pk)
    return quote


def open_link(digest: str) -> Quote:
    """
    Return the quote that a link leads to.

    :param digest: of the secret in the link
    :raises DoesNotExist: there is no such link, or it has ended
    """
    quote = Quote.objects.select_related(
        "deal__owner", "deal__company", "document__current_version__blob"
    ).get(token_digest=digest)
    _require_alive(quote)
    return quote


@transaction.atomic
def note_view(digest: str) -> None:
    """Record that a link was opened for the first time. :raises DoesNotExist: it has ended"""
    quote, _deal = _by_link(digest)
    if quote.viewed_at is None and quote.status == Status.SENT:
        quote.viewed_at = timezone.now()
        quote.save(update_fields=["viewed_at"])


def expire_quotes() -> int:
    """Put an end to quotes whose time is over, each by itself; return how many."""
    system = User.objects.system()
    over = Quote.objects.filter(status=Status.SENT, valid_until__lt=timezone.localdate())
    return sum(_expire(pk, actor=system) for pk in over.order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def _expire(quote_id: int, *, actor: User) -> bool:
    quote, _deal = _locked(quote_id, actor=actor, needs_active=False)
    if quote.status != Status.SENT or quote.valid_until >= timezone.localdate():
        return False
    _close(quote, Status.EXPIRED, actor=actor)
    events.publish_quote(events.QUOTE_EXPIRED, quote.pk, actor_id=actor.pk)
    return True


def _locked(
    quote_id: int, *, actor: User, expected_version: int | None = None, needs_active: bool = True
) -> tuple[Quote, Deal]:
    """
    Lock a quote under the lock of its deal, in this order, as everybody does.

    :raises DoesNotExist: the quote is out of sight
    :raises PermissionDenied: the actor may not change its deal
    :raises ValidationError: "archived", "stale"
    """
    found = Quote.objects.visible_to(actor).get(pk=quote_id)
    deal = rows.locked(Deal, found.deal_id, actor=actor, action="change")
    if needs_active:
        rows.require_active(deal)
    quote = rows.locked(Quote, quote_id, actor=actor, action="change", expected_version=expected_version)
    quote.deal = deal
    return quote, deal


def _by_link(digest: str) -> tuple[Quote, Deal]:
    """Lock what a link leads to. :raises DoesNotExist: there is no such link, or it has ended"""
    found = Quote.objects.get(token_digest=digest)
    deal = Deal.objects.select_for_update(of=("self",), no_key=True).get(pk=found.deal_id)
    # By its secret once more: a link that was sent anew meanwhile has ended.
    quote = Quote.objects.select_for_update(of=("self",), no_key=True).get(pk=found.pk, token_digest=digest)
    quote.deal = deal
    _require_alive(quote)
    return quote, deal


def _require_alive(quote: Quote) -> None:
    """Insist that a link leads somewhere still: for an answered quote, until the quote's time is over."""
    is_over = quote.valid_until < timezone.localdate() or quote.deal.archived_at is not None
    is_there = quote.status in (Status.SENT, Status.ACCEPTED, Status.REJECTED)
    if is_over or not is_there or not quote.paper_digest:
        raise Quote.DoesNotExist


def _require_open_answer(quote: Quote, deal: Deal) -> None:
    if quote.status != Status.SENT:
        raise ValidationError(_("This quote was answered already."), code="decided")
    if deal.status != Deal.Status.OPEN:
        raise ValidationError(
            _("This offer is not open any more. Write to whoever sent it to you."), code="deal_not_open"
        )


def _require_draft(quote: Quote) -> None:
    if quote.status != Status.DRAFT:
        raise ValidationError(
            _("This quote was sent, and stays as it is. Make a new revision instead."), code="quote_sent"
        )


def _decide(quote: Quote, status: Status, *, actor: User, **said: str) -> None:
    came = origin.get()
    values = {
        "status": status,
        "decided_at": timezone.now(),
        "decided_address": came.address,
        "decided_agent": came.agent[:300],
        **said,
    }
    rows.write(quote, values, actor=actor)


def _close(quote: Quote, status: Status, *, actor: User) -> None:
    rows.write(quote, {"status": status}, actor=actor)
