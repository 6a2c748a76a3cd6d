"""What accounts, and the libraries under them, keep about people outside: only how Django's log calls their rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet

from apps.common.personal import Place, Subject, Turn, declare_place, not_personal

_OF_COLLEAGUES = "Of colleagues and programs, who have accounts; a customer has none."
_LIBRARIES = {
    "auth": "Names of rights.",
    "contenttypes": "Names of models.",
    "sessions": "Of colleagues who are logged in; what they type is not kept in there.",
    "account": _OF_COLLEAGUES,
    "mfa": _OF_COLLEAGUES,
    "usersessions": _OF_COLLEAGUES,
    "oauth2_provider": _OF_COLLEAGUES,
}


def declare() -> None:
    """Declare all of it; called when the app is ready."""
    for label, why in _LIBRARIES.items():
        for model in apps.get_app_config(label).get_models(include_auto_created=True):
            not_personal(model, why)
    for model in apps.get_app_config("accounts").get_models(include_auto_created=True):
        if model._meta.model_name != "letter":
            not_personal(model, _OF_COLLEAGUES)
    not_personal(
        apps.get_model("accounts", "letter"),
        "A letter waits for minutes, is sealed, and is gone once it is sent or of no use any more.",
    )
    not_personal(LogEntry, "A key.", "object_id")
    declare_place(
        Place(
            LogEntry,
            {"object_repr": "", "change_message": ""},
            _logged,
            turn=Turn.FOLLOWING,
            erase=_blank_log,
            is_told=False,
            is_searched=True,
        )
    )


def _logged(subject: Subject) -> QuerySet[Any]:
    condition = Q(pk__in=[])
    for label, keys in subject.keys.items():
        kind = ContentType.objects.get_for_model(apps.get_model(label))
        condition |= Q(content_type=kind, object_id__in=[str(key) for key in keys])
    return LogEntry.objects.filter(condition)


def _blank_log(keys: Sequence[Any], context: Mapping[str, Any]) -> None:
    LogEntry.objects.filter(pk__in=keys).update(object_repr=context["name"], change_message="")
