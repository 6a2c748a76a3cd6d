"""
What `manage.py check` refuses: a page, an address, a socket or a model that nobody asks the access policy
about.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.filters import RelatedFieldListFilter
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import models
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from apps.accounts.scoping import Rule

# Models without a rule: nobody is shown their rows as rows.
UNSCOPED_MODELS = {
    "accounts.KnownDevice": "whether a login is worth a letter, asked with each login alone",
    "accounts.Letter": "letters on their way, encrypted, read by the workers that send them",
    "accounts.AuthEventHead": "where the chain of access events ends, read by the database and its verification",
    "accounts.TokenCut": "tokens that ended early, read by the check of tokens alone",
    "accounts.AuthorizationCode": "codes of applications on their way to being swapped, read by the swap alone",
    "accounts.DeviceCode": "devices that wait for somebody, reached by the code that they show",
    "accounts.RefreshToken": "hashes of tokens, read by the swap for the next one alone",
    "accounts.TokenFamily": "what descends from one login of an application, reached through its tokens and consent",
    "crm.Board": "the counter behind a board's stream, read by the stream alone",
    "crm.BoardChange": "what a board's stream tells: which deals to ask for again, by id",
    "crm.ActivityAttachment": "what came with an activity, shown with it and to who sees the document",
    "crm.ActivityMention": "whom a note names, reached through the note",
    "crm.ActivityVersion": "what a note said before, reached through the note",
    "crm.Mail": "the envelope of a letter, reached through the activity that it is",
    "crm.Timeline": "the counter behind a timeline's stream, read by the stream alone",
    "crm.TimelineChange": "that a timeline has moved, read by its stream alone",
    "crm.DuplicatePair": "what may be the same, shown only together with both rows to who sees them",
    "crm.DuplicateDismissal": "what is not the same, shown only together with both rows to who sees them",
    "crm.ForecastSnapshot": "forecasts as they were, summed up within the policy by the report alone",
    "crm.FunnelCell": "sums of the funnel, added up within the policy by the report alone",
    "crm.FunnelMark": "which sums of the funnel are made anew, read by the report alone",
    "documents.Blob": "contents under their digests, reached through the versions that hold them",
    "documents.BundledDocument": "what a job writes into a bundle, reached through the bundle",
    "documents.Rendition": "what was made of a content, reached through the versions that hold it",
    "documents.UploadPart": "pieces of a file on its way, read by its upload alone",
    "documents.NumberSequence": "counters of numbers, raised by the service that gives them",
    "documents.DocumentText": "the words of a document, searched within the documents that the policy lets through",
    "documents.SignatureHead": "where the chain of a signature request ends, read by its verification",
    "events.Aggregate": "the counter behind an outbox sequence, read by the outbox alone",
    "events.Event": "the outbox, read by the relay and by receivers",
    "events.Outbox": "the relay's own list of what is still to be sent",
    "events.Outgoing": "the same for each broker",
    "payments.FeedEntry": "facts in the order they left, told to those who see all invoices and payments",
    "events.Heartbeat": "when the relay was last heard of, a figure for operators",
    "events.Delivery": "the outbox's own record of what each receiver has done",
    "history.Blanked": "whose former values were erased, asked by history alone",
    "lists.ExportPart": "what a job has written of a file, put together and deleted by that job",
    "lists.SelectedRow": "the keys that long work goes through; the work asks the policy for each row",
    "lists.Selection": "what long work is about, reached through that work alone",
    "payments.IdempotencyKey": "what was answered to a program, given back to the same program alone",
    "payments.RateSource": "how asking for rates went, a figure for operators",
    "documents.ApiUsage": "Counts what an account asked of Google Drive; read by the page of its folder.",
    "documents.ChangeCursor": "Machinery of Google Drive: how far a log was read.",
    "documents.DriveFolder": "Machinery of Google Drive: which folder is whose.",
    "documents.DriveIdPool": "Machinery of Google Drive: identifiers that nothing bears yet.",
    "documents.DriveTombstone": "Machinery of Google Drive: what was sent to its trash.",
    "documents.SyncTask": "Machinery of Google Drive: what workers have to do.",
    "documents.WebhookDelivery": "Machinery of Google Drive: which messages came already.",
    "notifications.Inbox": "The counter behind somebody's own inbox, which its stream reads.",
    "notifications.InboxEvent": "Steps of somebody's own inbox, which its stream reads.",
    "notifications.Mute": "Everybody's own, found by whoever asks and by nobody else.",
    "notifications.Notification": "Everybody's own, found by whoever asks and by nobody else.",
    "notifications.Preference": "Everybody's own, found by whoever asks and by nobody else.",
    "notifications.QuietTime": "Everybody's own, found by whoever asks and by nobody else.",
}
# Addresses of libraries, which cannot say it themselves.
DECLARED_VIEWS = {
    "allauth.headless": "the same over REST, as allauth guards it: what is one's own asks who is there",
    "allauth.account.views": "logging in and one's own password, for everybody",
    "allauth.mfa": "one's own second factors",
    "django.views.i18n.set_language": "the language of one's own browser",
    "drf_spectacular.views": "the description of the API, for whoever is logged in",
}
# What seals the private halves of signing keys: fewer characters can be guessed.
LEAST_SECRET = 32


@register(Tags.security)
def check_models(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find models of ours that do not say whose their rows are."""
    return [
        Error(
            f"{model._meta.label} has no access rule, nor a reason in UNSCOPED_MODELS.",
            obj=model,
            id="accounts.E001",
        )
        for config in apps.get_app_configs()
        if config.name.startswith("apps.")
        for model in config.get_models()
        if not isinstance(getattr(model, "access", None), Rule) and model._meta.label not in UNSCOPED_MODELS
    ]


@register(Tags.security)
def check_admin(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find pages of the admin that do not derive from the scoped ones."""
    return [
        error for site in [admin.site] for page in site._registry.values() for error in errors_of_admin(page)
    ]


def errors_of_admin(page: Any) -> Iterator[CheckMessage]:
    """Say what is open about one model's pages."""
    from apps.accounts.faces.admin import (  # noqa: PLC0415 - unfold, which only the web process needs
        LimitsChoices,
        ScopedModelAdmin,
        ScopedStackedInline,
        ScopedTabularInline,
    )

    if not isinstance(page, ScopedModelAdmin):
        yield Error(f"{_name(type(page))} is no ScopedModelAdmin.", obj=page.model, id="accounts.E002")
        return
    for inline in page.inlines:
        if not issubclass(inline, ScopedTabularInline | ScopedStackedInline):
            yield Error(f"{_name(inline)} is no scoped inline.", obj=page.model, id="accounts.E003")
    for item in page.list_filter:
        kind = item[1] if isinstance(item, list | tuple) else None
        if kind is RelatedFieldListFilter or not isinstance(kind, type):
            continue
        if issubclass(kind, RelatedFieldListFilter) and not issubclass(kind, LimitsChoices):
            text = f"{_name(type(page))} filters by {item[0]} with a filter that offers every row."
            yield Error(text, obj=page.model, id="accounts.E004")


@register(Tags.security)
def check_urls(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find addresses that neither ask the policy nor say why not."""
    return [error for route, callback in addresses() for error in errors_of_view(route, callback)]


def addresses(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every address outside of the admin, with its view."""
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            if entry.app_name != "admin":
                yield from addresses(entry, route)
        elif isinstance(entry, URLPattern):
            yield route, entry.callback


def errors_of_view(route: str, callback: Any) -> Iterator[CheckMessage]:
    """Say what is open about one address."""
    from rest_framework.views import APIView  # noqa: PLC0415 - only where there are addresses

    from apps.accounts.faces.api import ScopedViewSet  # noqa: PLC0415 - the same
    from apps.accounts.faces.declared import reason_of  # noqa: PLC0415 - the same

    view = getattr(callback, "cls", None) or getattr(callback, "view_class", None) or callback
    if _declared(view) or reason_of(view):
        return
    if isinstance(view, type) and issubclass(view, ScopedViewSet):
        yield from errors_of_viewset(view)
    elif isinstance(view, type) and issubclass(view, APIView):
        text = f"/{route}: {_name(view)} is no ScopedViewSet and does not say why (public, own_only)."
        yield Error(text, id="accounts.E005")
    else:
        text = f"/{route}: {_name(view)} does not say whom it is for (faces.declared.public, own_only)."
        yield Error(text, id="accounts.E006")


def errors_of_viewset(view: Any) -> Iterator[CheckMessage]:
    """Say which actions ask nothing, and which references take any row."""
    from apps.accounts.faces.api import is_scoped_reference  # noqa: PLC0415 - only where there are addresses

    for action in view.get_extra_actions():
        if action.__name__ not in view.action_permissions:
            text = f"{_name(view)}.{action.__name__} is not in action_permissions."
            yield Error(text, id="accounts.E007")
    for serializer in filter(None, {view.serializer_class, *getattr(view, "input_classes", {}).values()}):
        for name, field in serializer().fields.items():
            if _is_reference(field) and not field.read_only and not is_scoped_reference(field):
                text = f"{_name(serializer)}.{name} takes rows that the caller may not see."
                yield Error(text, id="accounts.E008")


def _is_reference(field: Any) -> bool:
    from rest_framework.relations import ManyRelatedField, RelatedField  # noqa: PLC0415 - the same

    return isinstance(field, ManyRelatedField | RelatedField)


@register(Tags.security)
def check_sockets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find socket consumers that do not derive from the scoped one."""
    application = import_string(settings.ASGI_APPLICATION)
    mapping = getattr(application, "application_mapping", {})
    return [
        error for consumer in consumers(mapping.get("websocket")) for error in errors_of_consumer(consumer)
    ]


def consumers(application: Any) -> Iterator[type[Any]]:
    """Yield the consumers behind an ASGI application, through whatever is wrapped around them."""
    if application is None:
        return
    if hasattr(application, "routes"):
        for route in application.routes:
            yield from consumers(route.callback)
        return
    consumer = getattr(application, "consumer_class", None)
    if consumer is not None:
        yield consumer
        return
    for name in ("inner", "application", "app"):
        if hasattr(application, name):
            yield from consumers(getattr(application, name))


def errors_of_consumer(consumer: type[Any]) -> Iterator[CheckMessage]:
    """Say whether a consumer is open."""
    from apps.accounts.faces.sockets import ScopedConsumer  # noqa: PLC0415 - channels, for sockets only

    if not issubclass(consumer, ScopedConsumer):
        yield Error(f"{_name(consumer)} is no ScopedConsumer.", id="accounts.E009")


@register(Tags.security, deploy=True)
def check_signing_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find what would make our tokens worth little on a real server."""
    found: list[CheckMessage] = []
    secrets = settings.SIGNING_KEYS_SECRET
    if not secrets or any(len(secret) < LEAST_SECRET for secret in secrets):
        text = f"SIGNING_KEYS_SECRET has to list texts of {LEAST_SECRET} characters or more, other than SECRET_KEY."
        found.append(Error(text, id="accounts.E020"))
    if not settings.OIDC_ISSUER.startswith("https://"):
        text = (
            f"OIDC_ISSUER is {settings.OIDC_ISSUER}: it has to be the https address that others know us by."
        )
        found.append(Error(text, id="accounts.E021"))
    return found


def _declared(view: Any) -> str:
    name = _name(view)
    return next(
        (why for known, why in DECLARED_VIEWS.items() if name == known or name.startswith(f"{known}.")), ""
    )


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{getattr(thing, '__qualname__', type(thing).__qualname__)}"


def scoped_models() -> list[type[models.Model]]:
    """List every model of ours that carries a rule."""
    return [
        model
        for config in apps.get_app_configs()
        if config.name.startswith("apps.")
        for model in config.get_models()
        if isinstance(getattr(model, "access", None), Rule)
    ]
