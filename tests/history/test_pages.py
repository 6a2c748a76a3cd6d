"""History in the admin: who sees what of it, and undo by its pages."""

import re
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.crm.models import Company, Deal, DealLine, Product, StageTransition, Tag
from apps.crm.services.deals import change_deal
from apps.history.models import ChangeSet, Conflict, Undo
from apps.jobs.models import Job
from tests.crm.factories import make_company, make_deal
from tests.history.factories import recorded, run_undo, set_of, undo

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser_of(client: Client) -> "Logins":
    return Logins()


class Logins:
    def __call__(self, user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client


def story_url(row: Deal | Company) -> str:
    return reverse(f"admin:crm_{row._meta.model_name}_history", args=[row.pk])


def test_story_tells_who_what_and_why_in_words(anna: User, browser_of: Logins) -> None:
    deal = make_deal("Desks", owner=anna, amount=Decimal(1000))
    deal.stage.name = "Engaging"
    with recorded(anna, reason="They asked for more"):
        change_deal(deal.pk, actor=anna, amount=Decimal("1500.50"), probability=40)
    page = browser_of(anna).get(story_url(deal)).content.decode()
    assert "<strong>Anna Sell</strong> changed it" in page
    assert "through the admin" in page
    assert "They asked for more" in page
    assert "<dt>Amount</dt><dd><del>1,000.00</del>" in page
    assert "<ins>1,500.50</ins>" in page
    assert "is_probability_manual" not in page
    assert "Updated" not in page


def test_story_tells_of_parts_and_links(anna: User, browser_of: Logins) -> None:
    deal = make_deal("Desks", owner=anna)
    product = Product.objects.create(name="Big desk")
    tag = Tag.objects.create(name="hot")
    with recorded(anna):
        line = DealLine.objects.create(deal=deal, product=product, quantity=Decimal(2))
        deal.tags.add(tag)
    with recorded(anna):
        line.quantity = Decimal(3)
        line.save()
        deal.tags.remove(tag)
    page = browser_of(anna).get(story_url(deal)).content.decode()
    assert "<ins>+ hot</ins>" in page
    assert "<del>− hot</del>" in page
    assert "+ Big desk" in page
    assert "<dt>Deal line: Quantity</dt><dd><del>2.000</del>" in page


def test_story_keeps_foreign_names_to_itself(
    anna: User, boris: User, admin: User, browser_of: Logins
) -> None:
    secret = make_company("Canary Foreign Ltd", owner=boris)
    deal = make_deal("Desks", owner=anna)
    with recorded(boris, reason="moved"):
        Deal.objects.filter(pk=deal.pk).update(company=secret)
    with recorded(admin):
        Deal.objects.filter(pk=deal.pk).update(company=None)
    page = browser_of(anna).get(story_url(deal)).content.decode()
    assert "Canary" not in page
    assert "Boris" not in page
    assert "Company (not yours to see)" in page
    assert "Canary Foreign Ltd" in browser_of(admin).get(story_url(deal)).content.decode()


def test_story_of_a_row_out_of_sight_is_not_there(anna: User, boris: User, browser_of: Logins) -> None:
    deal = make_deal("Canary deal", owner=boris)
    response = browser_of(anna).get(story_url(deal), follow=True)
    assert response.redirect_chain
    assert b"Canary" not in response.content


def test_story_queries_do_not_grow_with_it(
    anna: User, browser_of: Logins, django_assert_max_num_queries: object
) -> None:
    deal = make_deal("Desks", owner=anna)
    for n in range(30):
        with recorded(anna):
            Deal.objects.filter(pk=deal.pk).update(
                amount=n, company=make_company(f"Company {n}", owner=anna).pk
            )
    client = browser_of(anna)
    with django_assert_max_num_queries(25):  # type: ignore[operator]
        page = client.get(story_url(deal)).content.decode()
    assert page.count("Undo…") == 30


def test_long_story_has_pages(anna: User, browser_of: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.history.selectors.stories.PAGE", 5)
    deal = make_deal("Desks", owner=anna)
    for n in range(12):
        with recorded(anna):
            Deal.objects.filter(pk=deal.pk).update(next_step=f"step number {n}.")
    client = browser_of(anna)
    seen, url = "", story_url(deal)
    for _page in range(10):
        page = client.get(url)
        seen += page.content.decode()
        older = page.context["story"].older
        if older is None:
            break
        url = f"{story_url(deal)}?before={older}"
    assert all(f"<ins>step number {n}.</ins>" in seen for n in range(12))
    assert "created it" in seen


def test_change_set_page_shows_only_rows_in_reach(
    anna: User, boris: User, admin: User, browser_of: Logins
) -> None:
    make_deal("Mine own", owner=anna)
    make_deal("Canary deal", owner=boris)
    with recorded(anna, label="Bulk edit") as work:
        Deal.objects.update(next_step="call")
    url = reverse("admin:history_changeset_change", args=[set_of(work).pk])
    page = browser_of(anna).get(url).content.decode()
    assert "Mine own" in page
    assert "Canary" not in page
    assert "One row is not yours to see." in page
    assert "Canary deal" in browser_of(admin).get(url).content.decode()
    assert browser_of(boris).get(url).status_code == 404


def test_deleted_rows_are_named_only_to_who_sees_all(anna: User, admin: User, browser_of: Logins) -> None:
    company = make_company("Canary gone", owner=anna)
    with recorded(anna) as work:
        company.delete()
    url = reverse("admin:history_changeset_change", args=[set_of(work).pk])
    assert "Canary" not in browser_of(anna).get(url).content.decode()
    assert "Canary gone" in browser_of(admin).get(url).content.decode()


def test_requests_make_one_change_set_each(admin: User, browser_of: Logins) -> None:
    response = browser_of(admin).post(
        reverse("admin:crm_tag_add"), {"name": "fresh", "color": ""}, headers={"X-Request-Id": "req-7"}
    )
    assert response.status_code == 302
    change_set = ChangeSet.objects.get(request_id="req-7")
    assert (change_set.actor, change_set.face) == (admin, ChangeSet.Face.ADMIN)
    assert {c.model for c in change_set.changes.all()} == {"crm.tag"}


def test_reading_makes_no_change_set(admin: User, browser_of: Logins) -> None:
    before = ChangeSet.objects.count()
    browser_of(admin).get(reverse("admin:crm_tag_changelist"))
    assert ChangeSet.objects.count() == before


def test_undo_by_its_pages(anna: User, browser_of: Logins) -> None:
    deals = [make_deal(f"Deal {n}", owner=anna, amount=Decimal(n)) for n in range(4)]
    with recorded(anna, label="Bulk edit") as work:
        Deal.objects.update(amount=100)
    Deal.objects.filter(pk__in=[deals[0].pk, deals[1].pk]).update(amount=5)
    client = browser_of(anna)
    pk = set_of(work).pk
    page = client.get(reverse("admin:history_undo", args=[pk])).content.decode()
    assert "4 changed" in page
    assert "2 rows cannot simply be put back." in page
    client.post(reverse("admin:history_undo_start", args=[pk]), {"reason": "a mistake"})
    started = Undo.objects.get(change_set=pk)
    assert (started.actor, started.reason) == (anna, "a mistake")
    run_undo(started)
    page = client.get(reverse("admin:history_undo", args=[pk])).content.decode()
    assert "2 rows are left to decide" in page
    cells = re.findall(r"<td data-label[^>]*>([^<]*)</td>", page)
    assert sorted([cells[:3], cells[3:]]) == [["0.00", "100.00", "5.00"], ["1.00", "100.00", "5.00"]]
    decide = reverse("admin:history_undo_decide", args=[pk])
    first, second = (started.conflicts.get(row_id=str(deal.pk)) for deal in deals[:2])
    client.post(
        decide, {"conflict": first.pk, "decision": "put_back", "has_columns": "1", "column": "amount"}
    )
    client.post(decide, {"conflict": second.pk, "decision": "keep"})
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.outcome, second.outcome) == (Conflict.Outcome.REVERTED, Conflict.Outcome.KEPT)
    assert list(Deal.objects.order_by("pk").values_list("amount", flat=True)) == [0, 5, 2, 3]
    assert (
        "Nothing is left to decide" in client.get(reverse("admin:history_undo", args=[pk])).content.decode()
    )


def test_all_conflicts_are_decided_with_one_click(anna: User, browser_of: Logins) -> None:
    for n in range(5):
        make_deal(f"Deal {n}", owner=anna, amount=Decimal(n))
    with recorded(anna) as work:
        Deal.objects.update(amount=100)
    Deal.objects.update(amount=5)
    started = undo(set_of(work), anna)
    decide = reverse("admin:history_undo_decide", args=[set_of(work).pk])
    browser_of(anna).post(decide, {"conflict": "all", "decision": "put_back"})
    assert list(Deal.objects.order_by("amount").values_list("amount", flat=True)) == [0, 1, 2, 3, 4]
    assert not started.conflicts.filter(outcome=Conflict.Outcome.OPEN).exists()


def test_strangers_neither_see_nor_start_an_undo(anna: User, boris: User, browser_of: Logins) -> None:
    make_deal("Desks", owner=anna)
    with recorded(anna) as work:
        Deal.objects.update(next_step="call")
    client, pk = browser_of(boris), set_of(work).pk
    assert client.get(reverse("admin:history_undo", args=[pk])).status_code == 404
    assert client.post(reverse("admin:history_undo_start", args=[pk])).status_code == 404
    assert not Undo.objects.exists()
    assert not Job.objects.exists()


def test_size_is_shown_to_administrators(admin: User, anna: User, browser_of: Logins) -> None:
    make_deal("Desks", owner=anna)
    url = reverse("admin:history_size")
    page = browser_of(admin).get(url)
    names = {model.name: model.changes for model in page.context["size"].models}
    assert names["deals"] == 1
    assert page.context["size"].size > 0
    assert browser_of(anna).get(url).status_code == 403


def test_the_list_shows_what_the_policy_shows(
    anna: User, boris: User, admin: User, browser_of: Logins
) -> None:
    with recorded(anna, label="Canary import"):
        Tag.objects.create(name="one")
    url = reverse("admin:history_changeset_changelist")
    assert b"Canary import" in browser_of(admin).get(url).content
    assert browser_of(boris).get(url).status_code == 403


def test_steps_of_deals_are_told_by_the_deal(anna: User, browser_of: Logins) -> None:
    deal = make_deal("Desks", owner=anna)
    with recorded(anna):
        StageTransition.objects.create(deal=deal, to_stage=deal.stage, actor=anna, face="ADMIN")
    page = browser_of(anna).get(story_url(deal)).content.decode()
    assert "Stage change" not in page


def test_an_import_offers_its_undo(admin: User, browser_of: Logins) -> None:
    from apps.history.context import change_set
    from apps.history.services.undoing import job_work
    from tests.crm.importing import apply, rehearse, upload

    batch = rehearse(upload("products", b"product,price\nBig desk,10\n", actor=admin), actor=admin)
    batch = apply(batch, actor=admin)
    assert batch.apply_job is not None
    url = reverse("admin:crm_importbatch_change", args=[batch.pk])
    assert "Undo this import" not in browser_of(admin).get(url).content.decode()
    with change_set(job_work(batch.apply_job)):
        Product.objects.create(name="As a worker would")
    made = ChangeSet.objects.get(job=batch.apply_job)
    assert made.face == ChangeSet.Face.IMPORT
    page = browser_of(admin).get(url).content.decode()
    assert reverse("admin:history_undo", args=[made.pk]) in page
