"""The admin site: who finds what where, the search across everything, and the home page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from time import monotonic
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.functional import Promise, SimpleLazyObject, cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.dataclasses import SearchResult

from apps.accounts import access
from apps.accounts.faces.admin import PolicyAdminSite, actor_of
from apps.accounts.models import User
from apps.common.templatetags.frame import Site
from apps.crm.home import page as home
from apps.crm.models import Deal, ImportBatch
from apps.crm.quick import Quick, kinds_for, quick_view
from apps.crm.selectors import first_steps, latest_imports
from apps.jobs.models import Job
from apps.notifications.pages.inbox import inbox_urls
from apps.notifications.pages.preferences import preference_urls

# How many rows of one kind the search offers: more is what the list's own search is for.
FOUND_PER_MODEL = 5
# How many running jobs the home page shows at once.
RUNNING_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Place:
    """One entry of the sidebar: a model's list, or another page about its rows, and the keys that lead there."""

    model: str
    icon: str
    title: str | Promise
    keys: str = ""
    page: str = ""
    # Another model whose rows the page is made of as well.
    also: str = ""

    @property
    def url(self) -> str:
        return _url(self.page or f"{self.model.replace('.', '_')}_changelist")

    @cached_property
    def admins(self) -> "list[admin.ModelAdmin[Model] | None]":
        """The admins of the models that one has to see to open it."""
        return [_admin_of(label) for label in (self.model, self.also) if label]


@cache
def _url(name: str) -> str:
    return reverse(f"admin:{name}")


@dataclass(frozen=True)
class Item:
    """An entry as one page shows it."""

    place: Place
    is_active: bool = False


@dataclass(frozen=True)
class Group:
    """A group of entries as one page shows it; its places say which it is."""

    items: tuple[Item, ...]
    title: str | Promise = field(default="", compare=False)
    is_setting: bool = False

    @property
    def is_open(self) -> bool:
        return any(item.is_active for item in self.items)


@dataclass(frozen=True)
class Person:
    """What stands around a page of the person who looks at it."""

    name: str
    email: str | None
    is_staff: bool


@dataclass(frozen=True)
class Visitor:
    """What stands around a page of the request for it."""

    user: Person
    is_mac: bool


HOME = Place("", "home", _("Home"), "g h", page="index")
INBOX = Place("", "notifications", _("Inbox"), "g m", page="inbox")
_Places = list[tuple[str | Promise, list[Place]]]
# What a day is spent in.
DAILY: _Places = [
    (
        _("Sales"),
        [
            Place("crm.lead", "person_add", _("Leads"), "g l"),
            Place("crm.deal", "handshake", _("Deals"), "g d"),
            Place(
                "crm.deal", "view_kanban", _("Board"), "g b", page="crm_deal_board_start", also="crm.pipeline"
            ),
            Place("crm.deal", "monitoring", _("Numbers"), "g n", page="crm_deal_numbers_start"),
            Place("crm.quote", "request_quote", _("Quotes")),
            Place("crm.company", "apartment", _("Companies"), "g c"),
            Place("crm.person", "contacts", _("People"), "g p"),
            Place("crm.unmatchedmail", "mark_email_unread", _("Unmatched mail")),
            Place("crm.company", "merge", _("Duplicates"), "g u", page="crm_duplicates", also="crm.person"),
        ],
    ),
    (
        _("Money"),
        [
            Place("payments.invoice", "receipt_long", _("Invoices"), "g v"),
            Place("payments.payment", "payments", _("Payments"), "g a"),
            Place(
                "payments.bankline",
                "join_inner",
                _("Reconciliation"),
                "g r",
                page="payments_bankline_reconcile",
            ),
            Place("payments.statementfile", "upload_file", _("Bank statements")),
            Place("payments.bankline", "list_alt", _("Bank lines")),
            Place("payments.bankaccount", "account_balance_wallet", _("Bank accounts")),
            Place("payments.provideraccount", "credit_card", _("Payment providers")),
            Place(
                "payments.exchangerate", "currency_exchange", _("Published rates"), page="payments_rate_chart"
            ),
            Place("payments.invoice", "hourglass", _("Aged receivables"), page="payments_aged_receivables"),
            Place("payments.ledgeraccount", "balance", _("Trial balance"), page="payments_trial_balance"),
            Place("payments.payment", "file_download", _("Export to 1C"), page="payments_onec_exchange"),
            Place("payments.journalentry", "menu_book", _("Day-book")),
            Place("payments.ledgeraccount", "account_balance", _("Accounts")),
            Place("payments.periodlock", "lock_clock", _("Closed periods")),
        ],
    ),
    (
        _("Documents"),
        [
            Place("documents.document", "description", _("Documents"), "g f"),
            Place("documents.folder", "folder_open", _("Folders"), page="documents_folder_browse"),
            Place("documents.template", "contract", _("Templates")),
            Place("documents.legalentity", "domain", _("Our companies")),
            Place(
                "documents.approval",
                "approval",
                _("Waiting for me"),
                "g w",
                page="documents_approval_waiting",
            ),
            Place("documents.signaturerequest", "draw", _("Out to be signed")),
            Place("documents.approvalroute", "rule", _("Ways of approval")),
            Place("documents.sharelink", "link", _("Links to documents")),
            Place("documents.bundle", "folder_zip", _("Bundles")),
            Place("documents.documenttype", "category", _("Document types")),
            Place("documents.tag", "label", _("Document tags")),
        ],
    ),
    (
        _("Work"),
        [
            Place("notifications.task", "today", _("My day"), "g t", page="notifications_task_day"),
            Place("notifications.task", "task_alt", _("Tasks"), "g k"),
            Place("crm.importbatch", "upload_file", _("Imports"), "g i"),
            Place("lists.bulkedit", "edit_note", _("Bulk changes")),
            Place("documents.uploadsession", "upload", _("Uploads")),
            Place("lists.export", "download", _("Exports"), "g x"),
            Place("crm.disclosure", "contact_page", _("Disclosures")),
            Place("crm.erasure", "person_off", _("Erasures")),
            Place("jobs.job", "progress_activity", _("Jobs"), "g j"),
            Place("history.changeset", "history", _("Changes"), "g y"),
        ],
    ),
]
# What is set up once and looked after now and then: folded away until one is there or asks for it.
SETTINGS: _Places = [
    (
        _("Catalog"),
        [
            Place("crm.product", "inventory_2", _("Products")),
            Place("crm.pricebook", "price_change", _("Price books")),
            Place("crm.pipeline", "conversion_path", _("Pipelines")),
            Place("crm.customfield", "edit_attributes", _("Further fields")),
            Place("crm.tag", "sell", _("Tags")),
            Place("crm.lostreason", "block", _("Lost reasons")),
            Place("crm.salesplan", "flag", _("Sales plans")),
            Place("crm.currencyrate", "currency_exchange", _("Exchange rates")),
            Place("crm.leadform", "dynamic_form", _("Lead forms")),
            Place("crm.assignmentrule", "alt_route", _("Assignment of leads")),
            Place("crm.automationrule", "bolt", _("Automation")),
            Place("crm.absence", "event_busy", _("Absences")),
            Place("crm.source", "campaign", _("Lead sources")),
            Place("crm.disqualifyreason", "do_not_disturb_on", _("Reasons to disqualify")),
        ],
    ),
    (
        _("Google Drive"),
        [
            Place("documents.driveroot", "folder_shared", _("Folders")),
            Place("documents.drivebinding", "sync", _("Documents in step")),
            Place("documents.driveconflict", "call_split", _("Conflicts")),
            Place("documents.driveaccount", "smart_toy", _("Accounts")),
            Place("documents.watchchannel", "podcasts", _("Channels")),
        ],
    ),
    (
        _("Access"),
        [
            Place("accounts.user", "person", _("Users")),
            Place("accounts.invitation", "mail", _("Invitations")),
            Place("accounts.team", "groups", _("Teams")),
            Place("accounts.role", "shield_person", _("Roles")),
            Place("accounts.role", "grid_view", _("Who may what"), page="accounts_role_who_may_what"),
            Place("accounts.accessgrant", "share", _("Shared rows")),
            Place("accounts.impersonationsession", "theater_comedy", _("Acting as others")),
            Place("accounts.apikey", "key", _("API keys")),
            Place("accounts.authevent", "policy", _("Access events")),
            Place("accounts.signingkey", "encrypted", _("Signing keys")),
            Place("accounts.application", "apps", _("Applications")),
            Place("notifications.calendarfeed", "event", _("Calendar addresses")),
            Place("notifications.webhookendpoint", "webhook", _("Webhooks")),
            Place("notifications.channeladdress", "alternate_email", _("Where I am reached")),
            Place("notifications.delivery", "send", _("Messages sent to people")),
            Place("notifications.messagetemplate", "edit_note", _("Words of messages")),
            Place("notifications.verdict", "contact_support", _("Who was told, and why")),
            Place("notifications.webhookdelivery", "outbox", _("Sent to other systems")),
            Place("documents.integrityrun", "verified", _("Stored files")),
        ],
    ),
]
PLACES = DAILY + SETTINGS


class ArtelAdminSite(PolicyAdminSite):
    """Where the staff work."""

    index_title = _("Home")
    enable_nav_sidebar = True

    @cached_property
    def site(self) -> Site:
        """What the settings say to all pages: asked once, with nobody's request, so that it is nobody's own."""
        request = HttpRequest()
        request.META["SCRIPT_NAME"] = ""
        request.user = AnonymousUser()
        return Site(super().each_context(request))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **self.site.context,
            "site": self.site,
            "has_permission": self.has_permission(request),
            "available_apps": self.get_app_list(request),
            "log_entries": self.get_log_entries(request),
            "visitor": _visitor(request),
            "sidebar_navigation": navigation(request),
            "key_places": _key_places(request),
            "quick_kinds": _quick_kinds(request),
            "inbox_stream": f"inbox:{request.user.pk}" if isinstance(request.user, User) else "",
        }

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Django's list of everything, made only where somebody looks at it: our navigation has its own."""
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """
        Find pages, and rows the person may see, for the command palette.

        Nothing is remembered between requests: what somebody may see can change at any time.
        """
        term = request.GET.get("s", "").strip()
        if not term:
            return HttpResponse()
        began = monotonic()
        found = [
            *_found_places(request, term),
            *_found_quick(request, term),
            *self._found_rows(request, term),
        ]
        results = Paginator(found, max(len(found), 1))
        context = {
            "page_obj": results,
            "results": results.page(1),
            "page_counter": 0,
            "execution_time": monotonic() - began,
        }
        return TemplateResponse(
            request, "unfold/helpers/command_results.html", context, headers={"HX-Trigger": "search"}
        )

    def _found_rows(self, request: HttpRequest, term: str) -> Iterator[SearchResult]:
        searched = list(self._searched(request, term))
        keys: dict[int, list[str]] = {}
        for number, key in _keys_of([rows for _place, rows in searched]):
            keys.setdefault(number, []).append(key)
        for number, (place, rows) in enumerate(searched):
            if number in keys:
                for row in rows.filter(pk__in=keys[number]):
                    yield _found_row(row, place)

    def _searched(self, request: HttpRequest, term: str) -> Iterator[tuple[Place, QuerySet[Model]]]:
        """Say of each kind of row that has a page which of them match."""
        asked: set[str] = set()
        for _title, places in PLACES:
            for place in places:
                model_admin = _admin_of(place.model)
                # Another page about the same rows finds nothing more.
                if (
                    place.model in asked
                    or model_admin is None
                    or not model_admin.has_view_permission(request)
                ):
                    continue
                asked.add(place.model)
                if model_admin.get_search_fields(request):
                    rows, _has_duplicates = model_admin.get_search_results(
                        request, model_admin.get_queryset(request), term
                    )
                    yield place, rows

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        return super().index(request, {"subtitle": None} | _home(request) | (extra_context or {}))

    def get_urls(self) -> list[URLPattern]:
        section = path("home/<slug:section>/", self.admin_view(self.home_section), name="home_section")
        quick = path("quick/<slug:kind>/", self.admin_view(require_POST(quick_view)), name="quick")
        # Before the rest, which ends in an address that takes everything.
        return [
            section,
            quick,
            *inbox_urls(self.admin_view),
            *preference_urls(self.admin_view),
            *super().get_urls(),
        ]

    def home_section(self, request: HttpRequest, section: str) -> HttpResponse:
        """Return one section of the home page with fresh figures, for whoever has it on theirs."""
        actor = actor_of(request)
        if section not in dict(home.sections_of(actor)):
            raise Http404
        body, state = home.counted_section(section, actor)
        return HttpResponse(body, headers={"X-Home-State": state, "Cache-Control": "no-store"})


# What each step of a fresh organization brings in, and where one row of it can be made by hand.
_FIRST_STEPS = {
    "products": (_("Products"), _("What you sell, with prices."), "admin:crm_product_add"),
    "users": (_("People and teams"), _("Who works with you, and in which team."), "admin:accounts_user_add"),
    "companies": (_("Companies"), _("Your customers, and whose part they are."), "admin:crm_company_add"),
    "deals": (_("Deals"), _("What is being sold to whom, and how far it is."), "admin:crm_deal_add"),
}


def _home(request: HttpRequest) -> dict[str, Any]:
    """Collect what the home page shows this person."""
    user = request.user
    if not isinstance(user, User):
        return {}
    shown: dict[str, Any] = {"today": timezone.localdate()}
    if access.can_any(user, "view", Deal):
        if home.has_deals(user):
            shown |= {"cards": home.cards_of(user), "whose": home.whose_figures(user)}
        else:
            shown["first_steps"] = _first_steps(user)
    if access.can_any(user, "view", ImportBatch):
        shown["imports"] = latest_imports(user)
    if access.can_any(user, "view", Job):
        running = Job.objects.visible_to(user).filter(owner=user).exclude(state__in=Job.FINAL)
        shown["running_jobs"] = list(running.order_by("-pk")[:RUNNING_SHOWN])
    return shown


def _first_steps(user: User) -> list[dict[str, Any]]:
    may_import = access.can_any(user, "add", ImportBatch)
    steps: list[dict[str, Any]] = []
    for step in first_steps(user):
        title, text, create = _FIRST_STEPS[step.kind]
        is_next = not step.is_done and all(before["is_done"] for before in steps)
        import_url = f"{reverse('admin:crm_importbatch_add')}?kind={step.kind}" if may_import else ""
        steps.append(
            {
                "title": title,
                "text": text,
                "is_done": step.is_done,
                "is_next": is_next,
                "create_url": reverse(create),
                "import_url": import_url,
            }
        )
    return steps


def _admin_of(label: str) -> "admin.ModelAdmin[Model] | None":
    """Return the admin that serves a model ("crm.deal"), or None where there is none."""
    return admin.site._registry.get(apps.get_model(label))


def _keys_of(searched: list[QuerySet[Model]]) -> list[tuple[int, str]]:
    """Return the keys of the first few rows of each, with its number: one statement for all, as most have none."""
    parts = [
        rows.annotate(_number=Value(number), _key=Cast("pk", TextField())).values_list("_number", "_key")[
            :FOUND_PER_MODEL
        ]
        for number, rows in enumerate(searched)
    ]
    return list(parts[0].union(*parts[1:], all=True)) if parts else []


def _found_row(row: Model, place: Place) -> SearchResult:
    link = reverse(f"admin:{place.model.replace('.', '_')}_change", args=[row.pk])
    return SearchResult(title=str(row), description=str(place.title), link=link, icon=place.icon)


def _found_places(request: HttpRequest, term: str) -> Iterator[SearchResult]:
    for group, places in _places_for(request):
        for place in places:
            if term.lower() in str(place.title).lower():
                yield SearchResult(
                    title=str(place.title),
                    description=capfirst(str(group)),
                    link=place.url,
                    icon=place.icon,
                )


def _found_quick(request: HttpRequest, term: str) -> Iterator[SearchResult]:
    for quick in _quick_kinds(request):
        if term.lower() in str(quick.title).lower():
            link = f"{reverse(f'{quick.page}_add')}"
            yield SearchResult(title=str(quick.title), description=str(_("Make")), link=link, icon=quick.icon)


def _places_for(request: HttpRequest) -> list[tuple[str | Promise, list[Place]]]:
    """Return the groups of the sidebar, with the places this person may open; asked once for the rights they have."""
    if not isinstance(request.user, User):
        return []
    known = access.what_follows(request.user)
    if _places_for not in known:
        groups = [
            (title, [place for place in places if _may_open(request, place)]) for title, places in PLACES
        ]
        known[_places_for] = [group for group in groups if group[1]]
    found: list[tuple[str | Promise, list[Place]]] = known[_places_for]
    return found


def _may_open(request: HttpRequest, place: Place) -> bool:
    return all(found is not None and found.has_view_permission(request) for found in place.admins)


def _key_places(request: HttpRequest) -> tuple[Place, ...]:
    """List what the keyboard leads to, for this person."""
    if not request.user.is_authenticated:
        return ()
    allowed = [place for _title, places in _places_for(request) for place in places if place.keys]
    return (HOME, INBOX, *allowed)


def _quick_kinds(request: HttpRequest) -> tuple[Quick, ...]:
    """List what this person may make from anywhere."""
    return kinds_for(request.user) if isinstance(request.user, User) else ()


def _is_setting(title: str | Promise) -> bool:
    return any(title is each for each, _places in SETTINGS)


def navigation(request: HttpRequest) -> tuple[Group, ...]:
    """Return the sidebar for one person: only what they may open."""
    if not isinstance(request.user, User):
        return ()
    allowed = _places_for(request)
    here = _here(request.path, allowed)
    known = access.what_follows(request.user)
    # One of a few dozen places, or none.
    if (navigation, here) not in known:
        groups = [
            Group(tuple([Item(place, place is here) for place in places]), title, _is_setting(title))
            for title, places in allowed
        ]
        first = Group(tuple([Item(place, here is place) for place in (HOME, INBOX)]))
        known[navigation, here] = (first, *groups)
    found: tuple[Group, ...] = known[navigation, here]
    return found


def _here(path: str, allowed: list[tuple[str | Promise, list[Place]]]) -> Place | None:
    """Return the place that a page belongs to."""
    if path == HOME.url:
        return HOME
    if path.startswith(INBOX.url):
        return INBOX
    around = [place for _title, places in allowed for place in places if path.startswith(place.url)]
    # The longest: the board's address lies within that of the deals.
    return max(around, key=lambda place: len(place.url), default=None)


def _visitor(request: HttpRequest) -> Visitor:
    user = request.user
    name = user.get_full_name() or user.get_username() if isinstance(user, User) else ""
    email = user.email if isinstance(user, User) else ""
    agent = request.META.get("HTTP_USER_AGENT", "")
    return Visitor(Person(name, email, is_staff=user.is_staff), is_mac="Macintosh" in agent)
