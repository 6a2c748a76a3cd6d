"""The system checks find what does not ask the policy, and nothing in the project as it is."""

from typing import Any, ClassVar

import pytest
from channels.generic.websocket import WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.views import APIView
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import RelatedDropdownFilter

from apps.accounts import checks
from apps.accounts.faces.admin import ScopedModelAdmin
from apps.accounts.faces.api import ScopedReadOnlyViewSet
from apps.accounts.faces.declared import own_only, public
from apps.accounts.faces.sockets import ScopedConsumer
from apps.accounts.models import Membership, Team, User


def ids(messages: Any) -> list[str]:
    return [message.id for message in messages]


@pytest.mark.parametrize(
    "check", [checks.check_models, checks.check_admin, checks.check_urls, checks.check_sockets]
)
def test_the_project_is_closed(check: Any) -> None:
    assert check(None) == []


def test_a_model_without_a_rule_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Team, "access")
    assert ids(checks.check_models(None)) == ["accounts.E001"]


def test_an_open_page_of_the_admin_is_found() -> None:
    class Plain(ModelAdmin):  # type: ignore[misc]
        pass

    class PlainInline(TabularInline):  # type: ignore[misc]
        model = Membership

    class HalfScoped(ScopedModelAdmin):
        inlines = (PlainInline,)
        list_filter = (("parent", RelatedDropdownFilter), "name")

    assert ids(checks.errors_of_admin(Plain(Team, admin.site))) == ["accounts.E002"]
    assert ids(checks.errors_of_admin(HalfScoped(Team, admin.site))) == ["accounts.E003", "accounts.E004"]


def test_an_open_view_is_found() -> None:
    class Plain(APIView):
        pass

    class Reasoned(APIView):
        own_only = "shows the caller"

    def page(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    assert ids(checks.errors_of_view("x", Plain.as_view())) == ["accounts.E005"]
    assert ids(checks.errors_of_view("x", page)) == ["accounts.E006"]
    assert ids(checks.errors_of_view("x", Reasoned.as_view())) == []
    assert ids(checks.errors_of_view("x", public("for all")(page))) == []
    assert ids(checks.errors_of_view("x", own_only("")(lambda request: HttpResponse()))) == ["accounts.E006"]


def test_an_action_that_asks_nothing_and_an_open_reference_are_found() -> None:
    class TeamWithParent(serializers.ModelSerializer[Team]):
        class Meta:
            model = Team
            fields: ClassVar[list[str]] = ["parent"]

    class Teams(ScopedReadOnlyViewSet):
        queryset = Team.objects.all()
        serializer_class = TeamWithParent

        @action(detail=True)
        def praise(self, request: Any, pk: str) -> HttpResponse:
            return HttpResponse()

    assert ids(checks.errors_of_viewset(Teams)) == ["accounts.E007", "accounts.E008"]


def test_an_open_consumer_is_found_through_what_is_around_it() -> None:
    class Plain(WebsocketConsumer):
        pass

    class Scoped(ScopedConsumer):
        pass

    class Around:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

    # Django's routes are typed for views.
    route: Any = path
    routes = URLRouter([route("a/", Plain.as_asgi()), route("b/", Scoped.as_asgi())])
    application = ProtocolTypeRouter({"websocket": Around(routes)})
    found = list(checks.consumers(application.application_mapping["websocket"]))
    assert found == [Plain, Scoped]
    assert [ids(checks.errors_of_consumer(consumer)) for consumer in found] == [["accounts.E009"], []]


def test_libraries_pages_without_policy_are_not_there() -> None:
    assert {model._meta.app_label for model in admin.site._registry} <= {
        "accounts",
        "crm",
        "documents",
        "jobs",
        "events",
        "history",
        "lists",
        "notifications",
        "payments",
    }
    assert User in admin.site._registry
