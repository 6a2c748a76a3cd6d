"""What the forms of approval and signing offer to choose from."""

from datetime import datetime

from django import template
from django.db.models import QuerySet
from django.template import Context

from apps.accounts.faces.visible import actor_of
from apps.accounts.models import User
from apps.documents.faces.choices import colleagues_of, usual_end
from apps.documents.models import ApprovalRoute, Document

register = template.Library()


@register.simple_tag(takes_context=True)
def routes_for(context: Context, document: Document) -> QuerySet[ApprovalRoute]:
    """Return the ways by which documents of this type are approved."""
    routes = ApprovalRoute.objects.visible_to(actor_of(context["request"])).active()
    return routes.filter(type=document.type_id).order_by("name")


@register.simple_tag(takes_context=True)
def people_to_ask(context: Context) -> list[User]:
    """Return whom the person may ask: themselves, and whom they see."""
    actor = actor_of(context["request"])
    return [actor, *colleagues_of(actor)]


@register.simple_tag
def usual_until() -> datetime:
    """Return until when a document is out, where nobody says otherwise."""
    return usual_end()
