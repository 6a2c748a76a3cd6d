"""
Making a company, a person or a deal from anywhere, with the little that is known at that moment.

An app above adds what it makes from its ready(): `register_quick(Quick("task", …))`. The fields of its form stand in
templates/admin/quick.html.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.faces.admin import actor_of
from apps.accounts.models import User
from apps.crm.answers import refused
from apps.crm.models import Company, ContactPoint, Deal, Person, StageTransition
from apps.crm.services import companies, deals, people
from apps.crm.services.contacts import NewContact


class CompanyForm(forms.Form):
    """What is known of a company first."""

    name = forms.CharField(max_length=200)
    email = forms.CharField(required=False, max_length=254)
    phone = forms.CharField(required=False, max_length=254)


class PersonForm(forms.Form):
    """What is known of a person first."""

    given_name = forms.CharField(max_length=100)
    family_name = forms.CharField(required=False, max_length=100)
    email = forms.CharField(required=False, max_length=254)
    phone = forms.CharField(required=False, max_length=254)
    company_id = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class DealForm(forms.Form):
    """What is known of a deal first."""

    title = forms.CharField(max_length=200)
    amount = forms.DecimalField(required=False, min_value=0, max_digits=18, decimal_places=2)
    company_id = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    person_id = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


def _company(values: dict[str, Any], actor: User) -> Company:
    return companies.create_company(actor=actor, name=values["name"], contact_points=_contacts(values))


def _person(values: dict[str, Any], actor: User) -> Person:
    names = {name: values[name] for name in ("given_name", "family_name")}
    return people.create_person(
        actor=actor, company_id=values["company_id"], contact_points=_contacts(values), **names
    )


def _deal(values: dict[str, Any], actor: User) -> Deal:
    return deals.create_deal(actor=actor, face=StageTransition.Face.ADMIN, **values)


def _contacts(values: dict[str, Any]) -> list[NewContact]:
    kinds = {"email": ContactPoint.Kind.EMAIL, "phone": ContactPoint.Kind.PHONE}
    return [{"kind": kind.value, "raw": values[name]} for name, kind in kinds.items() if values[name]]


@dataclass(frozen=True)
class Quick:
    """One thing that is made quickly."""

    kind: str
    icon: str
    title: str | Promise
    model: type[models.Model]
    form: type[forms.Form]
    make: Callable[[dict[str, Any], User], Any]

    @property
    def page(self) -> str:
        """The page of such rows, without its last word: "admin:crm_deal"."""
        return f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}"

    @property
    def name(self) -> str:
        """What it is called."""
        return capfirst(str(self.model._meta.verbose_name))


_kinds: list[Quick] = [
    Quick("company", "apartment", _("New company"), Company, CompanyForm, _company),
    Quick("person", "person", _("New person"), Person, PersonForm, _person),
    Quick("deal", "handshake", _("New deal"), Deal, DealForm, _deal),
]


def register_quick(quick: Quick) -> None:
    """Let something be made from anywhere."""
    if all(known.kind != quick.kind for known in _kinds):
        _kinds.append(quick)


def kinds_for(actor: User) -> tuple[Quick, ...]:
    """List what somebody may make."""
    return tuple(quick for quick in _kinds if access.can_any(actor, "add", quick.model))


def quick_view(request: HttpRequest, kind: str) -> HttpResponse:
    """Make one row, and say where its page is; a refusal says why, field by field."""
    actor = actor_of(request)
    quick = next((each for each in _kinds if each.kind == kind), None)
    if quick is None:
        raise Http404
    # Under names of their own: the page has a form with a title too.
    form = quick.form(request.POST, prefix="new")
    if not form.is_valid():
        return refused(ValidationError({name: list(errors) for name, errors in form.errors.items()}))
    return _made(partial(quick.make, form.cleaned_data, actor), quick)


def _made(make: Callable[[], Any], quick: Quick) -> HttpResponse:
    try:
        with transaction.atomic():
            row = make()
    except (PermissionDenied, ValidationError, ObjectDoesNotExist) as error:
        return refused(error)
    return JsonResponse({"url": reverse(f"{quick.page}_change", args=[row.pk])}, status=201)
