"""What comes ready-made is written in the language of the installation."""

from typing import Any

import pytest
from django.apps import apps

from apps.accounts.models import Role
from apps.accounts.roles import READY_MADE
from apps.accounts.services import sync_roles
from apps.crm import defaults
from apps.crm.models import LostReason, Pipeline, Stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def emptied() -> None:
    for model in [Stage, Pipeline, LostReason]:
        model._default_manager.all().delete()
    Role.objects.all().delete()


@pytest.mark.usefixtures("emptied")
def test_a_russian_installation_begins_in_russian(settings: Any) -> None:
    settings.LANGUAGE_CODE = "ru"
    defaults.ensure(apps.get_app_config("crm"), "default")
    sync_roles()
    english = {name for name, *_rest in defaults.STAGES} | {*defaults.LOST_REASONS, defaults.UNKNOWN_REASON}
    written = {
        *Stage.objects.values_list("name", flat=True),
        *LostReason.objects.values_list("name", flat=True),
    }
    assert len(written) == len(english)
    assert not written & english
    assert not {role.name for role in Role.objects.all()} & {role.name for role in READY_MADE}


@pytest.mark.usefixtures("emptied")
def test_an_english_one_begins_in_english() -> None:
    defaults.ensure(apps.get_app_config("crm"), "default")
    names = list(Stage.objects.order_by("position").values_list("name", flat=True))
    assert names == [name for name, *_rest in defaults.STAGES]
