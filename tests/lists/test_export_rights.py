"""Nobody takes away what they may not see, nor more than they may when the file is written, nor what is another's."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from apps.accounts import access
from apps.accounts.models import Role, RoleGrant, User
from apps.crm.models import Company, Deal, Person
from apps.events.models import Event
from apps.jobs.services import cancel_job, retry_job
from apps.lists.models import Export, ExportPart, SelectedRow, Selection
from apps.lists.services.exports import (
    expire_exports,
    may_export,
    model_of,
    open_download,
    remove_export,
    request_export,
)
from tests.accounts.factories import make_member
from tests.crm import factories
from tests.lists.export_files import ask, content, csv_rows, exported, exporter, work, xlsx_rows

pytestmark = pytest.mark.django_db
CANARY = "canaryofboris"


def titles(export: Export) -> list[str]:
    read = csv_rows if export.format == "csv" else xlsx_rows
    return [row[0] for row in read(export)[1:]]


def fresh(user: User) -> User:
    return User.objects.get(pk=user.pk)


def test_rows_of_others_are_in_no_file() -> None:
    anna, boris = exporter(), exporter()
    factories.make_deal("mine", owner=anna)
    factories.make_deal(CANARY, owner=boris)
    for format_ in Export.Format.values:
        export = exported(Deal.objects.all(), anna, ["title"], format=format_)
        assert titles(export) == ["mine"]
        assert CANARY.encode() not in content(export)
        assert (export.chosen, export.left_out) == (1, 0), "nor is it told how many there are"


def test_who_may_see_may_not_yet_take_away() -> None:
    seller = factories.make_salesperson()
    factories.make_deal(owner=seller)
    assert not may_export(seller, Deal)
    with pytest.raises(PermissionDenied):
        ask(Deal.objects.all(), seller)
    assert not Selection.objects.exists()


def test_reach_of_the_right_is_that_of_the_right_and_not_that_of_seeing() -> None:
    """A lead who sees the team's deals, and may take away only their own."""
    team = factories.make_team()
    lead = factories.join(
        factories.make_user(),
        team,
        factories.make_role(
            {"crm.view_deal": "SUBTREE", "crm.export_deal": "OWN", "lists.view_export": "OWN"}
        ),
    )
    factories.make_deal("mine", owner=lead, team=team)
    factories.make_deal("the team's", owner=factories.make_user(), team=team)
    assert Deal.objects.visible_to(lead).count() == 2
    assert titles(exported(Deal.objects.all(), lead, ["title"])) == ["mine"]


def test_names_of_related_rows_out_of_sight_stay_empty_and_are_counted() -> None:
    anna, boris = exporter(), exporter()
    theirs = factories.make_company(f"Firm {CANARY}", owner=boris)
    his = factories.make_person(f"Person{CANARY}", owner=boris)
    ours = factories.make_company("Ours", owner=anna)
    factories.make_deal("a", owner=anna, company=theirs, person=his)
    factories.make_deal("b", owner=anna, company=ours)
    columns = ["title", "company", "person"]
    export = exported(Deal.objects.order_by("title"), anna, columns, format="csv")
    assert csv_rows(export)[1:] == [["a", "", ""], ["b", "Ours", ""]]
    assert export.hidden == 2
    assert CANARY not in content(export).decode()


def test_where_a_person_works_is_told_only_of_companies_in_sight() -> None:
    anna, boris = exporter(), exporter()
    person = factories.make_person("Vera", owner=anna)
    person.employments.create(company=factories.make_company(CANARY, owner=boris), is_primary=True)
    rows = csv_rows(exported(Person.objects.all(), anna, ["given_name", "company"], format="csv"))
    assert rows[1] == ["Vera", ""]


def test_a_column_of_rows_that_one_sees_none_of_is_not_to_be_had() -> None:
    team = factories.make_team()
    grants = {"crm.view_deal": "OWN", "crm.export_deal": "OWN", "lists.view_export": "OWN"}
    user = factories.join(factories.make_user(), team, factories.make_role(grants))
    factories.make_deal(owner=user, company=factories.make_company(CANARY))
    with pytest.raises(ValidationError) as refused:
        ask(Deal.objects.all(), user, ["title", "company"])
    assert refused.value.code == "unknown_column"


@pytest.mark.parametrize(
    "columns", [[], ["password"], ["title", "title"], ["company__name"], ["title", "lines"]]
)
def test_columns_that_there_are_not_are_refused(columns: list[str]) -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    with pytest.raises(ValidationError) as refused:
        ask(Deal.objects.all(), admin, columns)
    assert refused.value.code == ("unknown_column" if columns else "no_columns")


def test_a_password_is_no_column_of_users() -> None:
    admin = factories.make_admin()
    for column in ("password", "last_login", "perm_version"):
        with pytest.raises(ValidationError):
            ask(User.objects.all(), admin, ["name", column])


@pytest.mark.parametrize(
    "options",
    [{"format": "exe"}, {"language": "xx"}, {"style": "odd"}, {"separator": "x"}, {"separator": "\r"}],
)
def test_ways_to_write_that_there_are_not_are_refused(options: dict[str, Any]) -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    with pytest.raises(ValidationError) as refused:
        ask(Deal.objects.all(), admin, **options)
    assert refused.value.code == "unknown_option"


# What changes between asking and writing


def test_the_file_holds_what_was_chosen_then() -> None:
    anna, boris = exporter(), exporter()
    kept = factories.make_deal("kept", owner=anna)
    moved = factories.make_deal("moved on", owner=anna)
    away = factories.make_deal(f"given away {CANARY}", owner=anna)
    gone = factories.make_deal("gone", owner=anna)
    export = ask(Deal.objects.order_by("pk"), anna, ["title"], format="csv")
    factories.make_deal("came later", owner=anna)
    Deal.objects.filter(pk=away.pk).update(owner=boris)
    Deal.objects.filter(pk=moved.pk).update(title="moved on, renamed", stage=factories.stage("Engaging"))
    gone.delete()
    export = work(export)
    assert titles(export) == [kept.title, "moved on, renamed"]
    assert (export.chosen, export.rows, export.left_out) == (4, 2, 2)
    assert CANARY not in content(export).decode()


def test_who_loses_the_right_meanwhile_gets_no_file_and_hears_why() -> None:
    anna = exporter()
    factories.make_deal(owner=anna)
    export = ask(Deal.objects.all(), anna)
    RoleGrant.objects.filter(permission="crm.export_deal").delete()
    export = work(export)
    assert export.job is not None
    assert export.job.state == "FAILED"
    assert export.job.error == {
        "code": "refused",
        "message": "You may no longer take such rows away as a file: deals.",
    }
    assert export.storage_name == ""
    assert export.finished_at is not None


def test_the_right_is_asked_for_in_each_chunk(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.lists.exporting import reading
    from apps.lists.services import export_steps

    settings.EXPORT_CHUNK_ROWS = 2
    anna = exporter()
    for _ in range(6):
        factories.make_deal(owner=anna)
    export = ask(Deal.objects.all(), anna)

    def read_and_lose(*args: Any, **kwargs: Any) -> Any:
        found = reading.read(*args, **kwargs)
        RoleGrant.objects.filter(permission="crm.export_deal").delete()
        return found

    monkeypatch.setattr(export_steps, "read", read_and_lose)
    export = work(export)
    assert export.job is not None
    assert (export.job.state, export.job.done) == ("FAILED", 2)


def test_who_is_turned_off_meanwhile_gets_no_file() -> None:
    anna = exporter()
    factories.make_deal(owner=anna)
    export = ask(Deal.objects.all(), anna)
    User.objects.filter(pk=anna.pk).update(is_active=False)
    export = work(export)
    assert export.job is not None
    assert export.job.state == "FAILED"


def test_a_cancelled_export_goes_on_where_it_stopped(settings: Any) -> None:
    settings.EXPORT_CHUNK_ROWS = 2
    admin = factories.make_admin()
    for number in range(5):
        factories.make_deal(f"Deal {number}", owner=admin)
    export = ask(Deal.objects.order_by("pk"), admin, ["title"])
    assert export.job is not None
    cancel_job(export.job.pk, actor=admin)
    export.refresh_from_db()
    assert export.finished_at is not None
    retry_job(export.job.pk, actor=admin)
    assert titles(work(export)) == [f"Deal {n}" for n in range(5)]


def test_a_cancelled_export_that_was_cleared_away_does_not_go_on() -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    export = ask(Deal.objects.all(), admin)
    assert export.job is not None
    cancel_job(export.job.pk, actor=admin)
    remove_export(export.pk, actor=admin)
    with pytest.raises(ValidationError) as refused:
        retry_job(export.job.pk, actor=admin)
    assert refused.value.code == "export_expired"


# The file


def test_each_download_is_recorded() -> None:
    anna = exporter()
    factories.make_deal(owner=anna)
    export = exported(Deal.objects.all(), anna, ["title"], format="csv")
    for count in (1, 2):
        shown, file = open_download(export.pk, actor=anna)
        with file:
            assert file.read() == content(export)
        assert shown.downloads == count
    events = Event.objects.filter(subject=f"export/{export.pk}").order_by("sequence")
    assert [event.type for event in events] == [
        "lists.export.requested.v1",
        "lists.export.finished.v1",
        "lists.export.downloaded.v1",
        "lists.export.downloaded.v1",
    ]
    last = events.last()
    assert last is not None
    assert last.actor_id == anna.pk
    assert (last.data["downloads"], last.data["kind"], last.data["rows"]) == (2, "crm.deal", 1)
    assert last.data["columns"] == ["title"]


def test_only_whoever_asked_for_it_gets_the_file() -> None:
    anna = exporter()
    factories.make_deal(owner=anna)
    export = exported(Deal.objects.all(), anna)
    boris, root = exporter(), factories.make_admin()
    with pytest.raises(Export.DoesNotExist):
        open_download(export.pk, actor=boris)
    for action in (open_download, remove_export):
        with pytest.raises(PermissionDenied):
            action(export.pk, actor=root)
    export.refresh_from_db()
    assert (export.downloads, bool(export.storage_name)) == (0, True)


def test_who_has_lost_the_right_does_not_get_the_file_either() -> None:
    anna = exporter()
    factories.make_deal(owner=anna)
    export = exported(Deal.objects.all(), anna)
    RoleGrant.objects.filter(permission="crm.export_deal").delete()
    with pytest.raises(PermissionDenied):
        open_download(export.pk, actor=fresh(anna))


def test_after_its_time_nobody_gets_the_file_and_it_is_removed() -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    old = exported(Deal.objects.all(), admin)
    young = exported(Deal.objects.all(), admin)
    name = old.storage_name
    Export.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(ValidationError) as refused:
        open_download(old.pk, actor=admin)
    assert refused.value.code == "export_expired"
    assert default_storage.exists(name)
    assert expire_exports() == 1
    assert expire_exports() == 0
    assert not default_storage.exists(name)
    old.refresh_from_db()
    assert (old.storage_name, old.selection, old.rows) == ("", None, 1)
    assert set(SelectedRow.objects.values_list("selection", flat=True)) == {young.selection_id}
    with pytest.raises(ValidationError) as refused:
        open_download(old.pk, actor=admin)
    assert refused.value.code == "export_expired"
    open_download(young.pk, actor=admin)[1].close()


def test_what_is_being_written_does_not_expire() -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    export = ask(Deal.objects.all(), admin)
    Export.objects.update(expires_at=timezone.now() - timedelta(days=3))
    assert expire_exports() == 0
    with pytest.raises(ValidationError):
        remove_export(export.pk, actor=admin)
    assert work(export).is_available(), "its time begins when it is there"


def test_parts_of_a_failed_export_are_removed_with_its_time(settings: Any) -> None:
    settings.EXPORT_CHUNK_ROWS = 1
    anna = exporter()
    for _ in range(3):
        factories.make_deal(owner=anna)
    export = ask(Deal.objects.all(), anna)
    ExportPart.objects.create(export=export, number=1, data=b"")
    RoleGrant.objects.filter(permission="crm.export_deal").delete()
    work(export)
    Export.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert expire_exports() == 1
    assert not ExportPart.objects.exists()


def test_a_file_that_was_lost_is_told_of() -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    export = exported(Deal.objects.all(), admin)
    default_storage.delete(export.storage_name)
    with pytest.raises(ValidationError) as refused:
        open_download(export.pk, actor=admin)
    assert refused.value.code == "export_missing"
    export.refresh_from_db()
    assert export.downloads == 0
    remove_export(export.pk, actor=admin)


def test_what_a_dead_worker_left_in_the_place_of_the_file_is_removed() -> None:
    from django.core.files.base import ContentFile

    from apps.lists.services.export_files import _directory

    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    export = ask(Deal.objects.all(), admin, format="csv")
    left = default_storage.save(f"{_directory(export)}/crm-deal.csv", ContentFile(b"half a file"))
    export = work(export)
    assert export.storage_name == left
    assert default_storage.listdir(_directory(export))[1] == ["crm-deal.csv"]
    assert csv_rows(export)[0] == ["Number", "Title", "Amount", "Currency"]


def test_nobody_has_more_written_at_once_than_is_good(settings: Any) -> None:
    settings.EXPORT_MAX_AT_ONCE = 2
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    first = ask(Deal.objects.all(), admin)
    ask(Deal.objects.all(), admin)
    with pytest.raises(ValidationError) as refused:
        ask(Deal.objects.all(), admin)
    assert refused.value.code == "too_many_exports"
    work(first)
    ask(Deal.objects.all(), admin)


def test_more_rows_than_a_file_may_hold_are_refused(settings: Any) -> None:
    settings.EXPORT_MAX_ROWS = 2
    admin = factories.make_admin()
    for _ in range(3):
        factories.make_deal(owner=admin)
    with pytest.raises(ValidationError) as refused:
        ask(Deal.objects.all(), admin)
    assert refused.value.code == "too_many_rows"
    assert not Export.objects.exists()


def test_a_model_that_is_no_more_fails_the_job_with_a_reason() -> None:
    admin = factories.make_admin()
    factories.make_deal(owner=admin)
    export = ask(Deal.objects.all(), admin)
    Export.objects.update(model_label="crm.nothing")
    export = work(export)
    assert export.job is not None
    assert export.job.error is not None
    assert export.job.error["code"] == "refused"
    assert model_of(export) is None


# The right itself


@pytest.mark.parametrize(
    ("role", "reach"),
    [
        ("salesperson", "OWN"),
        ("sales_lead", "SUBTREE"),
        ("accountant", "ALL"),
        ("administrator", "ALL"),
        ("auditor", None),
    ],
)
def test_ready_made_roles_hold_what_was_decided(role: str, reach: str | None) -> None:
    grants = dict(Role.objects.get(key=role).grants.values_list("permission", "reach"))
    assert grants.get("crm.export_deal") == reach
    assert grants.get("crm.export_company") == reach


def test_a_role_may_see_and_not_take_away() -> None:
    auditor = make_member(factories.make_team(), "auditor")
    assert access.can_any(auditor, "view", Company)
    assert not may_export(auditor, Company)
    assert access.can_any(auditor, "view", Export), "and sees who took what away"


def test_parts_of_others_are_no_list() -> None:
    from apps.crm.models import DealLine

    assert not may_export(factories.make_admin(), DealLine)
    assert "crm.export_dealline" not in access.all_permissions()
    assert "crm.export_deal" in access.all_permissions()


def test_the_admins_action_takes_rows_of_its_own_list_only(client: Client) -> None:
    anna, boris = exporter(), exporter()
    mine, theirs = factories.make_deal("mine", owner=anna), factories.make_deal(CANARY, owner=boris)
    client.force_login(anna)
    response = client.post(
        "/admin/lists/export/new/crm.deal/",
        {"keys": f"{mine.pk},{theirs.pk}", "columns": ["title"], "format": "csv"},
    )
    assert response.status_code == 302
    assert titles(work(Export.objects.get())) == ["mine"]


def test_a_request_is_frozen_only_for_whoever_asks() -> None:
    anna = exporter()
    with pytest.raises(ValidationError) as refused:
        request_export(Deal.objects.all(), actor=anna, columns=["title"])
    assert refused.value.code == "nothing_selected"
    assert not Export.objects.exists()
