"""Forms on other sites: what they send becomes leads, and what is hostile in it comes to nothing."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import translation
from redis import Redis

from apps.accounts.models import Team, User
from apps.crm.models import AssignmentRule, ContactPoint, Lead, LeadArrival, LeadForm
from apps.crm.services import lead_catalog
from apps.events.models import Event
from tests.crm import factories
from tests.crm.leads import make_form, make_seller, source

pytestmark = pytest.mark.django_db
SITE = "https://www.example.org"
PAGE = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def form(redis_url: str) -> LeadForm:
    """A form of one site, with no limit that a test would meet."""
    return make_form(allowed_origins=[SITE], source=source(), hourly_limit=100_000)


@pytest.fixture(autouse=True)
def many(settings: Any) -> None:
    settings.LEAD_FORM_LIMIT = (100_000, 600)


def address(form: LeadForm) -> str:
    return f"/api/v1/crm/forms/{form.token}/"


def send(form: LeadForm, body: Any, **headers: str) -> Any:
    return Client().post(
        address(form), json.dumps(body), content_type="application/json", headers={"origin": SITE} | headers
    )


def send_plain(form: LeadForm, body: dict[str, str], **headers: str) -> Any:
    return Client().post(address(form), body, headers=PAGE | {"origin": SITE} | headers)


def test_a_message_becomes_a_lead(form: LeadForm) -> None:
    answer = send(form, {"name": "Ivan", "email": "ivan@example.org", "message": "Forty\ndesks", "utm": "ad"})
    assert answer.status_code == 201
    assert answer.json() == {"message": "Thank you. We will answer soon.", "redirect_url": ""}
    lead = Lead.objects.get()
    assert (lead.name, lead.email_value, lead.message) == ("Ivan", "ivan@example.org", "Forty\ndesks")
    assert (lead.source, lead.form, lead.owner, lead.language) == (source(), form, None, "en")
    arrival = lead.arrivals.get()
    assert (arrival.channel, arrival.origin, arrival.extra) == ("FORM", SITE, {"utm": "ad"})
    assert Event.objects.get(subject=f"lead/{lead.pk}").type == "crm.lead.created.v1"


def test_a_plain_form_is_thanked_in_the_language_of_the_browser(form: LeadForm) -> None:
    answer = send_plain(form, {"name": "Иван", "email": "ivan@example.org"}, **{"accept-language": "ru"})
    assert answer.status_code == 201
    with translation.override("ru"):
        assert translation.gettext("Thank you") in answer.content.decode()
    assert Lead.objects.get().language == "ru"


def test_a_plain_form_may_lead_on_to_a_page_of_the_site(form: LeadForm) -> None:
    LeadForm.objects.update(redirect_url="https://www.example.org/thanks")
    answer = send_plain(form, {"email": "ivan@example.org"})
    assert (answer.status_code, answer["Location"]) == (303, "https://www.example.org/thanks")


def test_the_form_has_a_page_of_its_own(form: LeadForm) -> None:
    answer = Client().get(address(form))
    assert answer.status_code == 200
    assert 'name="email"' in answer.content.decode()
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert (
        Client()
        .post(address(form), {"email": "a@b.example"}, headers={"origin": "http://testserver"})
        .status_code
        == 201
    )


def test_the_fields_of_the_site_have_their_own_names(form: LeadForm) -> None:
    LeadForm.objects.update(
        field_map={"your-name": "name", "tel": "phone", "txt": "message"}, country="Polska"
    )
    assert send(form, {"your-name": "Jan", "tel": "22 234 56 78", "txt": "Hi"}).status_code == 201
    lead = Lead.objects.get()
    assert (lead.name, lead.phone_value, lead.message) == ("Jan", "+48222345678", "Hi")
    refused = send(form, {"tel": "12"}).json()
    assert [(error["field"], error["code"]) for error in refused["errors"]] == [("tel", "phone")]


# The same again


def test_the_same_submission_twice_is_one(form: LeadForm) -> None:
    body = {"email": "ivan@example.org", "submission_id": "a-1"}
    assert "Idempotent-Replayed" not in send(form, body).headers
    assert send(form, body)["Idempotent-Replayed"] == "true"
    assert (Lead.objects.count(), LeadArrival.objects.count()) == (1, 1)
    # Of another form, it is another.
    assert send(make_form(allowed_origins=[SITE]), body).status_code == 201
    assert LeadArrival.objects.count() == 2


def test_who_writes_again_is_the_same_lead_and_hears_nothing_of_it(form: LeadForm) -> None:
    first = send(form, {"name": "Ivan", "email": "ivan@example.org", "message": "one"})
    second = send(form, {"email": "IVAN@example.org", "phone": "+74951234567", "message": "two"})
    assert (second.status_code, second.json()) == (first.status_code, first.json())
    lead = Lead.objects.get()
    assert (lead.arrival_count, lead.message, lead.phone_value) == (2, "one", "+74951234567")
    assert [arrival.values["message"] for arrival in lead.arrivals.order_by("pk")] == ["one", "two"]
    # Reached by the number alone, it is the same again.
    send(form, {"phone": "8 495 123 45 67"})
    assert Lead.objects.get().arrival_count == 3


def test_a_known_person_is_linked_and_nothing_is_told_to_the_sender(form: LeadForm) -> None:
    person = factories.make_person("Ivan")
    ContactPoint.objects.create(person=person, kind="EMAIL", raw="i@example.org", value="i@example.org")
    answer = send(form, {"email": "i@example.org"})
    assert answer.json() == send(form, {"email": "other@example.org"}).json()
    assert Lead.objects.get(email_value="i@example.org").known_person == person


def test_rules_give_what_arrives(form: LeadForm, team: Team) -> None:
    anna = make_seller("Anna", team)
    AssignmentRule.objects.create(name="Site", form=form, to_user=anna)
    send(form, {"email": "ivan@example.org"})
    lead = Lead.objects.get()
    assert (lead.owner, lead.team) == (anna, team)
    types = (
        Event.objects.filter(subject=f"lead/{lead.pk}").order_by("sequence").values_list("type", flat=True)
    )
    assert list(types) == ["crm.lead.created.v1", "crm.lead.assigned.v1"]


def test_where_no_rule_fits_the_form_names_an_owner(form: LeadForm, team: Team) -> None:
    anna = make_seller("Anna", team)
    LeadForm.objects.update(default_owner=anna)
    send(form, {"email": "ivan@example.org"})
    assert (Lead.objects.get().owner, Lead.objects.get().assigned_because) == (anna, {"by": "form"})


# Consent


def test_the_consent_of_a_message_is_kept_with_its_version(form: LeadForm, admin: User) -> None:
    lead_catalog.change_form(form.pk, actor=admin, consent_text="Yes.", is_consent_required=True)
    assert send(form, {"email": "a@example.org"}).json()["errors"][0]["code"] == "consent_required"
    assert send(form, {"email": "a@example.org", "consent": "yes"}).status_code == 201
    lead_catalog.change_form(form.pk, actor=admin, consent_text="Yes, always.")
    send(form, {"email": "a@example.org", "consent": True})
    told = LeadArrival.objects.order_by("pk").values_list("consent_text__version", "consent_text__text")
    assert list(told) == [(1, "Yes."), (2, "Yes, always.")]


# Sites


def test_only_the_forms_sites_are_answered(form: LeadForm) -> None:
    answer = send(form, {"email": "ivan@example.org"})
    assert answer["Access-Control-Allow-Origin"] == SITE
    assert "Origin" in answer["Vary"]
    question = Client().options(address(form), headers={"origin": SITE})
    assert (question.status_code, question["Access-Control-Allow-Headers"]) == (204, "Content-Type")


@pytest.mark.parametrize(
    "origin",
    [
        *["https://evil.example", "null", "http://www.example.org", "https://www.example.org.evil.example"],
        *["https://www.example.org:8443", "https://WWW.example.org", "*", "https://example.org"],
    ],
)
@pytest.mark.parametrize("method", ["post", "options"])
def test_other_sites_are_refused_and_told_nothing(form: LeadForm, origin: str, method: str) -> None:
    answer = getattr(Client(), method)(
        address(form), '{"email": "a@b.example"}', content_type="application/json", headers={"origin": origin}
    )
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert not Lead.objects.exists()


def test_a_program_without_a_site_is_let_in(form: LeadForm) -> None:
    answer = Client().post(address(form), '{"email": "a@b.example"}', content_type="application/json")
    assert answer.status_code == 201
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"token": "x"}, {"archived_at": "2026-01-01T00:00Z"}]
)
def test_a_form_that_takes_nothing_is_as_good_as_none(form: LeadForm, change: dict[str, Any]) -> None:
    LeadForm.objects.update(**change)
    assert send(form, {"email": "a@b.example"}).status_code == 404


@pytest.mark.parametrize(
    "site",
    [
        "example.org",
        "ftp://a.example",
        "https://a.example/x",
        "https://u@a.example",
        "https://",
        "*",
        "https://a:b",
    ],
)
def test_what_is_no_site_is_refused(admin: User, site: str) -> None:
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError) as caught:
        lead_catalog.create_form(actor=admin, name="F", allowed_origins=[site])
    assert caught.value.error_dict["allowed_origins"][0].code == "origin"


def test_sites_are_kept_as_browsers_name_them(admin: User) -> None:
    form = lead_catalog.create_form(
        actor=admin, name="F", allowed_origins=["https://A.example/", "https://a.example"]
    )
    assert form.allowed_origins == ["https://a.example"]


# Hostile


def test_a_filled_trap_is_thanked_and_thrown_away(form: LeadForm) -> None:
    honest = send(form, {"email": "a@b.example"})
    robot = send(form, {"email": "robot@b.example", "website": "http://spam.example"})
    assert (robot.status_code, robot.json()) == (honest.status_code, honest.json())
    assert Lead.objects.count() == 1


def test_ten_megabytes_are_not_even_read(form: LeadForm) -> None:
    body = '{"email": "a@b.example", "message": "' + "x" * 10_000_000 + '"}'
    answer = Client().post(address(form), body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    plain = Client().post(address(form), {"message": "x" * 10_000_000}, headers=PAGE)
    assert plain.status_code == 413
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        *[
            '{"email": {"$ne": ""}}',
            '{"email": ["a@b.example"]}',
            '{"name": {"a": {"b": {}}}, "email": "a@b.c"}',
        ],
        *["[]", '"x"', "1", "null", "{", "", "\xff", '{"email": ' + "[" * 20_000 + "]" * 20_000 + "}"],
        '{"submission_id": "' + "x" * 65 + '", "email": "a@b.example"}',
    ],
)
def test_what_is_no_plain_message_is_refused(form: LeadForm, body: str) -> None:
    answer = Client().post(address(form), body.encode("latin-1"), content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] in {"invalid", "unreadable"}
    assert not Lead.objects.exists()


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "", "application/json"])
def test_other_kinds_of_bodies_are_refused(form: LeadForm, content_type: str) -> None:
    answer = Client().post(address(form), b'{"email": \xff}', content_type=content_type)
    assert answer.status_code == 400


def test_a_broken_multipart_is_refused(form: LeadForm) -> None:
    answer = Client().post(address(form), b"--x\r\nnonsense", content_type="multipart/form-data")
    assert answer.status_code == 400


def test_line_ends_and_nothings_are_taken_out_of_what_has_one_line(form: LeadForm) -> None:
    name = "Ivan\r\nBcc: all@example.org\x00\u2028\x1b[31m"
    send(form, {"name": name, "email": "a@b.example", "message": "one\x00\ntwo", "x\r\ny": "z\x00"})
    lead = Lead.objects.get()
    assert lead.name == "Ivan Bcc: all@example.org [31m"
    assert lead.message == "one\ntwo"
    assert lead.arrivals.get().extra == {"x y": "z"}
    assert send(form, {"email": "a@b.example\r\nBcc: c@d.example"}).status_code == 400


def test_lone_surrogates_and_long_texts_come_to_nothing(form: LeadForm) -> None:
    assert send(form, {"name": "\ud800Ivan", "email": "a@b.example"}).status_code == 201
    assert Lead.objects.get().name == "Ivan"
    refused = send(form, {"name": "x" * 201, "email": "c@b.example", "message": "y" * 10_001}).json()
    assert {(error["field"], error["code"]) for error in refused["errors"]} == {
        ("name", "too_long"),
        ("message", "too_long"),
    }


def test_what_comes_besides_has_an_end(form: LeadForm) -> None:
    extra = {f"field{number}": "x" * 1_500 for number in range(40)}
    assert send(form, {"email": "a@b.example"} | extra).status_code == 201
    kept = LeadArrival.objects.get().extra
    assert (len(kept), {len(value) for value in kept.values()}) == (30, {1000})


def test_html_is_text_wherever_it_is_shown(form: LeadForm, admin: User, client: Client) -> None:
    script = "<script>alert(1)</script>"
    send(
        form,
        {"name": script, "company_name": script, "email": "a@b.example", "message": script, "evil": script},
    )
    lead = Lead.objects.get()
    assert lead.name == script
    client.force_login(admin)
    for path in ("", f"{lead.pk}/change/", f"{lead.pk}/qualify/"):
        answer = client.get(f"/admin/crm/lead/{path}")
        assert answer.status_code == 200
        assert script not in answer.content.decode(), path
        assert "alert(1)" in answer.content.decode(), path
    LeadForm.objects.update(name=script, consent_text=script, success_message=script, honeypot="website")
    for answer in (
        client.get(f"/admin/crm/leadform/{form.pk}/change/"),
        Client().get(address(form)),
        send_plain(form, {"email": "c@b.example"}),
    ):
        assert script not in answer.content.decode()


# Too much


def test_one_address_is_asked_to_wait(form: LeadForm, settings: Any) -> None:
    settings.LEAD_FORM_LIMIT = (3, 600)
    answers = [send(form, {"email": f"a{number}@b.example"}).status_code for number in range(5)]
    assert answers == [201, 201, 201, 429, 429]
    last = send(form, {"email": "a9@b.example"})
    assert 0 < int(last["Retry-After"]) <= 601
    assert last["Access-Control-Allow-Origin"] == SITE
    other = Client(REMOTE_ADDR="198.51.100.7")
    assert (
        other.post(address(form), '{"email": "z@b.example"}', content_type="application/json").status_code
        == 201
    )


def test_a_form_takes_so_much_an_hour_and_ten_thousand_more_make_nothing(
    form: LeadForm, redis_url: str
) -> None:
    LeadForm.objects.update(hourly_limit=20)
    codes: dict[int, int] = {}
    for number in range(120):
        client = Client(REMOTE_ADDR=f"203.0.113.{number}")
        status = client.post(
            address(form), f'{{"email": "a{number}@b.example"}}', content_type="application/json"
        ).status_code
        codes[status] = codes.get(status, 0) + 1
    assert codes == {201: 20, 429: 100}
    assert Lead.objects.count() == 20
    # What the limits remember goes by itself.
    with Redis.from_url(redis_url) as redis:
        assert all(0 < redis.ttl(key) <= 3600 for key in redis.scan_iter("artel:limit:lead_form*"))
