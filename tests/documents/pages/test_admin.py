"""The pages of documents and folders: what they show, save, refuse, and what they cost."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.documents.admin import panels
from apps.documents.models import Document, DocumentType, Folder, Tag
from apps.documents.services import documents, folders, keeping
from apps.documents.services.documents import Target
from tests.crm.factories import make_company, make_deal
from tests.crm.test_admin_pages import form_of, login, text_of
from tests.documents.factories import kind, make_content, make_document, make_folder

pytestmark = pytest.mark.django_db
LIST = "/admin/documents/document/"
# Session, user, rights, the page, its links, and the number of rows.
MOST_QUERIES = 12


def page_of(document: Document) -> str:
    return reverse("admin:documents_document_change", args=[document.pk])


def do(row: Any, name: str) -> str:
    return reverse(f"admin:documents_{row._meta.model_name}_command", args=[row.pk, name])


def browse(folder: Folder | None = None) -> str:
    return reverse("admin:documents_folder_browse_in", args=[folder.pk if folder else "top"])


# The list


def test_a_list_shows_what_somebody_may_see(anna: User, boris: User, document: Document) -> None:
    make_document(boris, "Secret of Boris", b"two")
    html = text_of(login(anna).get(LIST))
    assert "Lease of the office" in html
    assert "Secret of Boris" not in html
    assert "material-symbols-outlined doc-icon" in html


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("?q=lease", True),
        ("?q=C-77", True),
        ("?q=nothing", False),
        ("?status__exact=DRAFT", True),
        ("?status__exact=SIGNED", False),
        ("?folder=none", False),
        ("?folder={outer}", True),
        ("?folder={inner}", True),
        ("?folder={other}", False),
        ("?belongs=crm.deal", True),
        ("?belongs=crm.deal:{deal}", True),
        ("?belongs=crm.deal:999999", False),
        ("?belongs=crm.company", False),
        ("?belongs=none", False),
        ("?belongs=nothing.at:all", True),
        ("?state=mine", False),
        ("?state=held", False),
        ("?tags__id__exact={tag}", True),
        ("?trash=1", False),
        ("?o=1", True),
        ("?o=-6", True),
    ],
)
def test_lists_are_searched_and_filtered(
    anna: User, team: Team, document: Document, query: str, is_found: bool
) -> None:
    outer, other = make_folder("outer", owner=anna), make_folder("other", owner=anna)
    inner = make_folder("inner", parent=outer, owner=anna)
    deal, tag = make_deal(owner=anna, team=team), Tag.objects.create(name="urgent")
    Document.objects.update(folder=inner, number="C-77")
    document.tags.add(tag)
    documents.link_document(document.pk, Target("crm.deal", deal.pk), actor=anna)
    keys = {"outer": outer.pk, "inner": inner.pk, "other": other.pk, "deal": deal.pk, "tag": tag.pk}
    html = text_of(login(anna).get(LIST + query.format(**keys)))
    assert ("Lease of the office" in html) is is_found


def test_filters_name_only_what_is_in_sight(anna: User, boris: User, document: Document) -> None:
    make_folder("Folder of Boris", owner=boris)
    own = make_folder("Own folder", owner=anna)
    foreign, deal = make_deal("Deal of Boris", owner=boris), make_deal("Own deal", owner=anna)
    client = login(anna)
    html = text_of(client.get(f"{LIST}?_filters=1&folder={own.pk}&belongs=crm.deal:{deal.pk}"))
    assert "Own folder" in html
    assert "Own deal" in html
    assert "Folder of Boris" not in html
    assert "Deal of Boris" not in text_of(client.get(f"{LIST}?_filters=1&belongs=crm.deal:{foreign.pk}"))


def test_lists_cost_the_same_queries_at_any_length(admin: User) -> None:
    client = login(admin)
    deal = make_deal(owner=admin)

    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            text_of(client.get(LIST))
        assert not [one["sql"] for one in captured if "COUNT(" in one["sql"].upper()]
        return len(captured)

    for place in range(120):
        made = make_document(admin, content=b"%d" % place, folder=make_folder(f"folder {place}"))
        if place % 3 == 0:
            documents.link_document(made.pk, Target("crm.deal", deal.pk), actor=admin)
    assert count() <= MOST_QUERIES


def test_what_was_typed_becomes_no_markup(admin: User) -> None:
    hostile = "<script>alert(1)</script>"
    deal = make_deal(hostile, owner=admin)
    folder = make_folder(hostile)
    document = make_document(admin, hostile, b"one", number=hostile, folder=folder, file_name=hostile)
    documents.link_document(document.pk, Target("crm.deal", deal.pk), actor=admin)
    keeping.hold_document(document.pk, reason=hostile, actor=admin)
    Tag.objects.create(name=hostile)
    client = login(admin)
    pages = [LIST, page_of(document), browse(), browse(folder), "/admin/documents/tag/"]
    pages += [f"/admin/documents/document/{document.pk}/link/", f"/admin/crm/deal/{deal.pk}/change/"]
    for address in pages:
        html = text_of(client.get(address))
        assert hostile not in html, address
        assert "&lt;script&gt;alert(1)" in html, address


def test_many_are_changed_by_a_rehearsed_change(admin: User) -> None:
    make_document(admin)
    assert "bulk" in text_of(login(admin).get(LIST))


# The page


def test_a_page_tells_all_of_a_document(anna: User, team: Team, document: Document) -> None:
    deal = make_deal("Forty desks", owner=anna, team=team)
    admin = User.objects.create(name="Ada", email="ada@example.org", is_superuser=True)
    foreign = make_company("Elsewhere Ltd", owner=admin)
    documents.link_document(document.pk, Target("crm.deal", deal.pk), actor=anna)
    documents.link_document(document.pk, Target("crm.company", foreign.pk), actor=admin)
    documents.add_version(
        document.pk, make_content(b"two", "second.txt", comment="With the annex"), actor=anna
    )
    html = text_of(login(anna).get(page_of(document)))
    for words in ("Version 2", "With the annex", "second.txt", "Version 1", "Draft", "Check out"):
        assert words in html, words
    assert f'href="/admin/crm/deal/{deal.pk}/change/">Forty desks' in html
    # Of what is out of sight only the name, which is the document's own.
    assert "Elsewhere Ltd" in html
    assert f"/admin/crm/company/{foreign.pk}/" not in html
    # The story tells a link by the name of its object.
    assert "not yours to see" not in html
    assert "attachment · Forty desks" in html


def test_which_version_held_on_a_day(anna: User, document: Document) -> None:
    client = login(anna)
    today = timezone.localdate()
    assert "version 1 held" in text_of(client.get(f"{page_of(document)}?on={today}"))
    before = text_of(client.get(f"{page_of(document)}?on={today - timedelta(days=1)}"))
    assert "there was no version yet" in before
    for given in ("x", "2026-02-31", "9999-12-31"):
        assert client.get(f"{page_of(document)}?on={given}").status_code == 200


def test_it_is_edited_in_the_form(lena: User, document: Document) -> None:
    client = login(lena)
    data = form_of(client, page_of(document), title="Lease of both offices", owner=lena.pk)
    assert client.post(page_of(document), data).status_code == 302
    document.refresh_from_db()
    assert (document.title, document.owner) == ("Lease of both offices", lena)


def test_a_salesperson_sees_whose_it_is_and_gives_nothing_away(
    anna: User, boris: User, document: Document
) -> None:
    client = login(anna)
    response = client.get(page_of(document))
    assert "owner" not in response.context["adminform"].form.fields
    client.post(page_of(document), form_of(client, page_of(document), owner=boris.pk, title="Mine"))
    document.refresh_from_db()
    assert (document.owner, document.title) == (anna, "Mine")


def test_a_final_document_keeps_its_title(admin: User) -> None:
    document = make_document(admin, "Contract", b"one")
    Document.objects.update(status="SIGNED")
    form = login(admin).get(page_of(document)).context["adminform"].form
    assert {"title", "type"}.isdisjoint(form.fields)


def test_a_new_document_is_written_down(anna: User) -> None:
    client = login(anna)
    address = reverse("admin:documents_document_add")
    data = form_of(client, address, title="To come")
    assert client.post(address, data).status_code == 302
    document = Document.objects.get()
    assert (document.title, document.type, document.owner) == ("To come", kind(), anna)


@pytest.mark.parametrize(
    ("name", "given", "shown"),
    [
        ("check_out", {"hours": "4"}, "yours to work on"),
        ("check_out", {"hours": "10000"}, "1 to 336 hours"),
        ("hold", {"reason": "A lawsuit"}, "nobody can delete it"),
        ("hold", {"reason": ""}, "Say why"),
        ("release", {}, "is not on legal hold"),
        ("void", {"reason": "Wrong"}, "Void now"),
        ("check_in", {}, "Nobody has checked this document out"),
        ("archive", {}, "In the trash now"),
        ("restore", {}, "This is not in the trash"),
        ("delete", {}, "Move it to the trash first"),
        ("link", {"target": "crm.deal:1"}, "There is no such row"),
        ("link", {"target": "nonsense"}, "There is no such row"),
        ("unlink", {"link": "1"}, "not there any more"),
    ],
)
def test_buttons_say_what_came_of_it(
    admin: User, document: Document, name: str, given: dict[str, str], shown: str
) -> None:
    html = text_of(login(admin).post(do(document, name), given, follow=True))
    assert shown in html


def test_somebody_elses_work_is_told_and_not_taken(anna: User, lena: User, document: Document) -> None:
    login(lena).post(do(document, "check_out"))
    html = text_of(login(anna).get(page_of(document)))
    assert "Lena Lead works on this document" in html
    assert do(document, "check_in") not in html
    assert do(document, "check_in") in text_of(login(lena).get(page_of(document)))


def test_the_trash_is_only_read_and_deleted_for_good(admin: User, document: Document) -> None:
    client = login(admin)
    client.post(do(document, "archive"))
    html = text_of(client.get(page_of(document)))
    assert "lies in the trash" in html
    assert do(document, "delete") in html
    gone = client.post(do(document, "delete"), follow=True)
    assert "Deleted for good" in text_of(gone)
    assert not Document.objects.exists()


def test_an_object_is_found_and_linked(anna: User, team: Team, boris: User, document: Document) -> None:
    deal = make_deal("Forty desks", owner=anna, team=team)
    make_deal("Forty of Boris", owner=boris, team=team)
    client = login(anna)
    html = text_of(client.get(f"{LIST}{document.pk}/link/?kind=crm.deal&q=forty"))
    assert "Forty desks" in html
    assert "Forty of Boris" not in html
    client.post(do(document, "link"), {"target": f"crm.deal:{deal.pk}"})
    link = document.links.get()
    assert link.target_name == "Forty desks"
    client.post(do(document, "unlink"), {"link": link.pk})
    assert not document.links.exists()


def test_another_room_puts_its_part_on_the_page(
    admin: User, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panels, "_panels", dict(panels._panels))
    monkeypatch.setattr(panels, "_commands", dict(panels._commands))
    story = "admin/documents/document/story.html"
    panels.add_panel(panels.Panel("mine", "A part of mine", story, lambda request, row: {}, 10))
    panels.add_panel(panels.Panel("none", "Never shown", story, lambda request, row: None))
    asked: list[int] = []
    command = panels.Command("wave", "Wave", "change", lambda request, pk, version: asked.append(pk))
    panels.add_command(command)
    client = login(admin)
    html = text_of(client.get(page_of(document)))
    assert "A part of mine" in html
    assert "Never shown" not in html
    assert do(document, "wave") in html
    client.post(do(document, "wave"))
    assert asked == [document.pk]


# Folders


def test_folders_are_looked_into(anna: User, boris: User, document: Document) -> None:
    outer, foreign = make_folder("Outer", owner=anna), make_folder("Foreign", owner=boris)
    inner = make_folder("Inner", parent=outer, owner=anna)
    documents.change_document(document.pk, actor=anna, folder_id=inner.pk)
    loose = make_document(anna, "Loose sheet")
    client = login(anna)
    top = text_of(client.get(browse()))
    assert "Outer" in top
    assert "Loose sheet" in top
    assert "Foreign" not in top
    assert "Lease" not in top
    inside = text_of(client.get(browse(inner)))
    assert "Lease of the office" in inside
    assert browse(outer) in inside
    assert loose.title not in inside
    assert client.get(browse(foreign)).status_code == 404
    assert client.get("/admin/documents/folder/browse/").headers["Location"] == browse()


def test_things_are_put_elsewhere(anna: User, boris: User, document: Document) -> None:
    outer, inner = make_folder("Outer", owner=anna), make_folder("Inner", owner=anna)
    foreign = make_document(boris, "Secret")
    client = login(anna)
    items = [f"document:{document.pk}", f"folder:{inner.pk}", f"document:{foreign.pk}", "nonsense"]
    sent = {"item": items, "target": str(outer.pk), "from": ""}
    html = text_of(client.post(reverse("admin:documents_folder_move"), sent, follow=True))
    assert "2 things were moved" in html
    assert "you may not see it" in html
    document.refresh_from_db()
    inner.refresh_from_db()
    foreign.refresh_from_db()
    assert (document.folder, inner.parent, foreign.folder) == (outer, outer, None)
    # Into itself is refused in words, and back to the top is a place, too.
    sent = {"item": [f"folder:{outer.pk}"], "target": str(inner.pk), "from": ""}
    assert "cannot lie in itself" in text_of(
        client.post(reverse("admin:documents_folder_move"), sent, follow=True)
    )
    client.post(reverse("admin:documents_folder_move"), {"item": [f"folder:{inner.pk}"], "target": "top"})
    inner.refresh_from_db()
    assert inner.parent is None


def test_nowhere_is_no_place(anna: User, document: Document) -> None:
    sent = {"item": [f"document:{document.pk}"], "target": "", "from": "7"}
    html = text_of(login(anna).post(reverse("admin:documents_folder_move"), sent | {"from": ""}, follow=True))
    assert "Choose where it goes" in html


def test_a_folder_is_made_where_one_is_and_goes_with_its_content(anna: User) -> None:
    outer = make_folder("Outer", owner=anna)
    client = login(anna)
    address = f"{reverse('admin:documents_folder_add')}?parent={outer.pk}"
    sent = client.post(address, form_of(client, address, name="Inner"))
    assert sent.headers["Location"] == browse(outer)
    inner = Folder.objects.get(name="Inner")
    assert (inner.parent, inner.owner) == (outer, anna)
    html = text_of(client.post(do(outer, "archive"), follow=True))
    assert "There is something in this folder" in html
    client.post(do(outer, "archive_all"))
    assert not Folder.objects.active().exists()
    client.post(do(outer, "restore"))
    assert Folder.objects.active().count() == 2


def test_types_and_tags_are_the_administrators(admin: User, anna: User) -> None:
    client = login(admin)
    address = reverse("admin:documents_documenttype_add")
    data = form_of(client, address, code="power", name="Power of attorney", number_pattern="P-{number:04}")
    assert client.post(address, data).status_code == 302
    made = DocumentType.objects.get(code="power")
    assert made.trash_days == 30
    change = reverse("admin:documents_documenttype_change", args=[made.pk])
    html = text_of(client.post(change, form_of(client, change, number_pattern="P")))
    assert "Write {number} once" in html
    client.post(change, form_of(client, change, retention_days="10"))
    assert DocumentType.objects.get(code="power").retention_days == 10
    assert login(anna).get(address).status_code == 403
    assert login(anna).get(reverse("admin:documents_tag_add")).status_code == 200


# Elsewhere


def test_a_deals_page_shows_its_papers(anna: User, boris: User, team: Team, document: Document) -> None:
    deal = make_deal("Forty desks", owner=anna, team=team)
    documents.link_document(document.pk, Target("crm.deal", deal.pk), actor=anna)
    other = make_document(boris, "Secret of Boris")
    admin = User.objects.create(name="Ada", email="ada@example.org", is_superuser=True)
    documents.link_document(other.pk, Target("crm.deal", deal.pk), actor=admin)
    html = text_of(login(anna).get(reverse("admin:crm_deal_change", args=[deal.pk])))
    assert "Lease of the office" in html
    assert "Secret of Boris" not in html
    assert f"?belongs=crm.deal%3A{deal.pk}" in html


@pytest.mark.parametrize("model", ["company", "person"])
def test_customers_have_papers_too(anna: User, model: str, document: Document) -> None:
    from tests.crm import factories

    row = (
        factories.make_company(owner=anna) if model == "company" else factories.make_person("Bo", owner=anna)
    )
    client = login(anna)
    address = reverse(f"admin:crm_{model}_change", args=[row.pk])
    assert "No documents yet" in text_of(client.get(address))
    documents.link_document(document.pk, Target(f"crm.{model}", row.pk), actor=anna)
    assert "Lease of the office" in text_of(client.get(address))


def test_the_search_across_everything_finds_documents_and_folders(anna: User, document: Document) -> None:
    folders.create_folder(actor=anna, name="Leases of offices")
    html = text_of(login(anna).get("/admin/search/?s=lease"))
    assert "Lease of the office" in html
    assert "Leases of offices" in html


def test_an_empty_list_says_what_it_is_for(anna: User) -> None:
    client = login(anna)
    assert "Your papers in one place" in text_of(client.get(LIST))
    assert "No folders yet" in text_of(client.get(browse()))


def test_nobody_reads_papers_who_may_not(db: None) -> None:
    nobody = User.objects.create(name="No Body", email="no@example.org", is_staff=True)
    client: Client = login(nobody)
    assert client.get(LIST).status_code == 403
    assert client.get(browse()).status_code == 403
