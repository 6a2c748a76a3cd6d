"""
Links for people without an account: made, taken back, opened, used.

Whoever has the secret of a link is whom it is for. It is shown once, to who made the link, and kept by nobody; here is
its digest. A link that leads nowhere is answered as one that never was.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts import access, owned_rows
from apps.accounts.models import User
from apps.accounts.rows import locked, refusal
from apps.common.addresses import limited_address
from apps.common.limits import Counter, Limit, give_back, take
from apps.common.links import digest_of, new_token
from apps.documents import events
from apps.documents.models import Blob, Bundle, Document, DocumentVersion, ShareLink, ShareVisit
from apps.documents.services.bundles import require_available

_PASSWORD_SECONDS = 600
_PLACES = 10
# What a browser says of itself, as far as a log needs it.
_BROWSER_LENGTH = 300
LEAST_PASSWORD = 8


class TooMany(ValidationError):
    """Too many passwords were tried. :ivar wait: seconds until the next may be"""

    def __init__(self, wait: float) -> None:
        self.wait = wait
        super().__init__(_("Too many wrong passwords. Try again in some minutes."), code="too_many_passwords")


@dataclass(frozen=True)
class Visitor:
    """Who comes by a link, as far as that is known."""

    address: str = ""
    browser: str = ""


@dataclass(frozen=True)
class Terms:
    """
    On which terms a link leads to something.

    :param expires_at: at most `SHARE_LINK_MAX_DAYS` from now
    :param max_downloads: None is any number
    :param password: empty where the link alone is enough
    :param is_newest: the current version, whichever that is; otherwise the one that is current now
    """

    expires_at: datetime
    max_downloads: int | None = None
    password: str = ""
    has_preview: bool = True
    is_newest: bool = False
    note: str = ""


@transaction.atomic
def share_document(document_id: int, terms: Terms, *, actor: User) -> tuple[ShareLink, str]:
    """
    Make a link to a document.

    :return: the link, and the secret that is shown this once
    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not share it
    :raises ValidationError: "archived", "no_content", or the terms are refused
    """
    document = owned_rows.locked(Document, document_id, actor=actor, action="share")
    owned_rows.require_active(document)
    if document.current_version_id is None:
        raise ValidationError(
            _("There is nothing to share yet: the document has no content."), code="no_content"
        )
    version_id = None if terms.is_newest else document.current_version_id
    link = ShareLink(document=document, version_id=version_id)
    return _made(link, terms, actor=actor)


@transaction.atomic
def share_bundle(bundle_id: int, terms: Terms, *, actor: User) -> tuple[ShareLink, str]:
    """
    Make a link to a bundle, whose file stays for as long as the link.

    :return: the link, and the secret that is shown this once
    :raises DoesNotExist: the bundle is out of sight
    :raises PermissionDenied: it is somebody else's, or a document in it is not the actor's to share
    :raises ValidationError: "bundle_not_ready", "bundle_expired", or the terms are refused
    """
    bundle = locked(Bundle, bundle_id, actor=actor, action="change")
    require_available(bundle)
    inside = Document.objects.filter(pk__in=bundle.parts.values("document_id"))
    if bundle.owner_id != actor.pk or inside.exclude(access.scope(actor, "share", Document)).exists():
        raise PermissionDenied(_("You may not share all that is in this bundle."))
    made = _made(ShareLink(bundle=bundle), terms, actor=actor)
    if terms.expires_at > bundle.expires_at:
        bundle.expires_at = terms.expires_at
        bundle.save(update_fields=["expires_at"])
    return made


@transaction.atomic
def revoke_link(link_id: int, *, actor: User) -> ShareLink:
    """
    Take a link back: it ends at once. Asking twice is asking once.

    :raises DoesNotExist: the link is out of sight
    :raises PermissionDenied: the actor may not share what it leads to
    """
    link = ShareLink.objects.visible_to(actor).select_for_update(of=("self",)).get(pk=link_id)
    access.require(actor, "share" if link.document else "change", link.document or link.bundle or link)
    if link.revoked_at is None:
        link.revoked_at, link.revoked_by = timezone.now(), actor
        link.save(update_fields=["revoked_at", "revoked_by"])
        events.publish_share_link(events.SHARE_LINK_REVOKED, link, actor_id=actor.pk)
    return link


def open_link(token: str) -> ShareLink:
    """
    Return the link behind a secret, as long as it leads somewhere.

    :raises DoesNotExist: there never was one, its time is over, it was used up or taken back, or what it led to is gone
    """
    rows = ShareLink.objects.open().select_related(
        "document__current_version__blob", "version__blob", "bundle"
    )
    link = rows.get(digest=digest_of(token))
    is_there = (
        link.bundle.is_available() if link.bundle else link.document and link.document.archived_at is None
    )
    if not is_there:
        raise ShareLink.DoesNotExist
    return link


def note_opened(link: ShareLink, visitor: Visitor) -> None:
    """Write down that somebody has looked."""
    _note(link, ShareVisit.Kind.OPENED, visitor)


def try_password(link: ShareLink, password: str, visitor: Visitor) -> bool:
    """
    Tell whether a password opens a link; a wrong one is written down.

    :raises TooMany: so many were wrong that this one is not looked at
    """
    # From one place, and from all together: a stranger's guesses keep whom the link is for out only when they are many.
    counters = [
        Counter("share_password", f"{link.pk} {limited_address(visitor.address)}", _limit(1)),
        Counter("share_passwords", f"{link.pk}", _limit(_PLACES)),
    ]
    answer = take(*counters)
    if not answer.is_allowed:
        raise TooMany(answer.wait)
    if check_password(password, link.password):
        give_back(*counters)
        return True
    _note(link, ShareVisit.Kind.WRONG_PASSWORD, visitor)
    return False


@transaction.atomic
def take_download(link: ShareLink, visitor: Visitor) -> ShareLink:
    """
    Count a download and return the link: however many ask at once, no more are let through than it has left.

    :raises DoesNotExist: none is left, or the link ended meanwhile
    """
    if not ShareLink.objects.open().filter(pk=link.pk).update(downloads=F("downloads") + 1):
        raise ShareLink.DoesNotExist
    _note(link, ShareVisit.Kind.DOWNLOADED, visitor)
    counted = ShareLink.objects.select_related("document__current_version__blob", "version__blob", "bundle")
    return counted.get(pk=link.pk)


def shared_version(link: ShareLink) -> DocumentVersion | None:
    """Return the version that a link leads to; None for one that leads to a bundle."""
    return link.version or (link.document.current_version if link.document else None)


def shared_blob(link: ShareLink) -> Blob | None:
    """Return the content of the same."""
    version = shared_version(link)
    return version.blob if version is not None else None


def expire_visits(batch: int = 10_000) -> int:
    """Forget uses of links of long ago. :return: how many"""
    old = ShareVisit.objects.filter(at__lt=timezone.now() - timedelta(days=settings.SHARE_VISIT_DAYS))
    keys = list(old.order_by("at").values_list("pk", flat=True)[:batch])
    return int(ShareVisit.objects.filter(pk__in=keys).delete()[0])


def _made(link: ShareLink, terms: Terms, *, actor: User) -> tuple[ShareLink, str]:
    _require_sensible(terms)
    token, link.digest = new_token()
    link.password = make_password(terms.password) if terms.password else ""
    link.expires_at, link.max_downloads = terms.expires_at, terms.max_downloads
    link.has_preview, link.note, link.created_by = terms.has_preview, terms.note.strip(), actor
    link.clean_fields(exclude={"document", "version", "bundle", "created_by"})
    link.save(force_insert=True)
    events.publish_share_link(events.SHARE_LINK_CREATED, link, actor_id=actor.pk)
    return link, token


def _require_sensible(terms: Terms) -> None:
    now = timezone.now()
    if not now < terms.expires_at <= now + timedelta(days=settings.SHARE_LINK_MAX_DAYS, hours=1):
        text = ngettext(
            "A link ends within %(days)d day.",
            "A link ends within %(days)d days.",
            settings.SHARE_LINK_MAX_DAYS,
        )
        raise refusal("expires_at", text, code="expiry_refused", days=settings.SHARE_LINK_MAX_DAYS)
    if terms.max_downloads is not None and not 0 < terms.max_downloads < 2**31:
        raise refusal("max_downloads", _("A link is used at least once."), code="limit_refused")
    if terms.password and len(terms.password) < LEAST_PASSWORD:
        text = _("A password has at least %(count)d characters.")
        raise refusal("password", text, code="password_too_short", count=LEAST_PASSWORD)


def _limit(places: int) -> Limit:
    return Limit(settings.SHARE_PASSWORDS * places, _PASSWORD_SECONDS)


def _note(link: ShareLink, kind: ShareVisit.Kind, visitor: Visitor) -> None:
    # Whatever a stranger's browser says, PostgreSQL takes no zero bytes.
    browser = visitor.browser.replace("\x00", "")[:_BROWSER_LENGTH]
    ShareVisit.objects.create(link=link, kind=kind, address=visitor.address or None, browser=browser)
