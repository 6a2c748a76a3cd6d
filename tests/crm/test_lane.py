"""The shorter way of programs: what it answers is what the common way does, to the last header."""

import io
import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from django.conf import settings
from django.core import signals
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections, connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.accounts import services
from apps.accounts.faces import lane
from apps.accounts.faces.lane import Lane, handler_with
from apps.accounts.models import Team, User
from apps.common.api.kept import input_of
from apps.crm.api.serializers import NewDealSerializer, service_values
from apps.crm.api.views import DealViewSet
from apps.crm.models import Company, Deal, Person, Tag
from tests.accounts.factories import make_member
from tests.crm import factories
from tests.crm.factories import stage

pytestmark = pytest.mark.django_db
DEALS = "/api/v1/crm/deals/"
Answer = tuple[int, dict[str, str], Any]


class Elsewhere:
    """In place of the common way: nothing is to come here."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        raise AssertionError(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} went the common way")


@pytest.fixture(scope="module")
def common() -> Any:
    return handler_with(WSGIHandler, settings.PROGRAM_MIDDLEWARE)


@pytest.fixture(scope="module")
def short() -> Any:
    return Lane(Elsewhere())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def kept_connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the test's connection alone between requests, as Django's own client does."""
    monkeypatch.setattr(lane, "close_old_connections", lambda: None)
    both = (signals.request_started, signals.request_finished)
    for signal in both:
        signal.disconnect(close_old_connections)
    yield
    for signal in both:
        signal.connect(close_old_connections)


@pytest.fixture
def anna(team: Team) -> User:
    """Has the role that sellers really have, with a key of her own."""
    return make_member(team, "salesperson", "Anna")


@pytest.fixture
def secret(anna: User) -> str:
    return services.create_api_key("tests", scopes=["all"], actor=anna)[1]


def asked(application: Any, secret: str, path: str, body: Any = None, **headers: str) -> Answer:
    """Ask one of the ways; return the status, the headers and what was said."""
    path, _mark, query = path.partition("?")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    factory = RequestFactory()
    made = (
        factory.generic("GET", path, QUERY_STRING=query)
        if body is None
        else factory.generic("POST", path, content, "application/json", QUERY_STRING=query)
    )
    environ = made.environ | {"HTTP_AUTHORIZATION": f"Bearer {secret}", "HTTP_X_REQUEST_ID": "one"} | headers
    environ["wsgi.input"] = io.BytesIO(b"" if body is None else content)
    said: dict[str, Any] = {}

    def start(status: str, given: list[tuple[str, str]]) -> None:
        said.update(status=int(status[:3]), headers=dict(given), many=len(given))

    response = application(environ, start)
    shown = b"".join(response)
    getattr(response, "close", lambda: None)()
    assert said["many"] == len(said["headers"])
    assert said["headers"].get("Content-Length", str(len(shown))) == str(len(shown))
    return said["status"], said["headers"], json.loads(shown) if shown else None


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (DEALS, {}),
        (f"{DEALS}?page_size=1", {}),
        (f"{DEALS}?fields=id,title&cursor=cD05OTk5", {}),
        (f"{DEALS}?status=OPEN&title__icontains=x", {}),
        (f"{DEALS}?fields=password", {}),
        (f"{DEALS}?cursor=x", {"HTTP_ACCEPT_LANGUAGE": "ru"}),
        (f"{DEALS}?status=NONE", {"HTTP_ACCEPT_LANGUAGE": "ru,en;q=0.5"}),
        (f"{DEALS}0/", {}),
        (f"{DEALS}{'9' * 25}/", {"HTTP_ACCEPT_LANGUAGE": "ru"}),
        (DEALS, {"HTTP_AUTHORIZATION": "Bearer nothing", "HTTP_ACCEPT_LANGUAGE": "ru"}),
        (DEALS, {"HTTP_AUTHORIZATION": "Bearer"}),
        (DEALS, {"HTTP_X_FORWARDED_HOST": "elsewhere.example", "HTTP_ACCEPT": "*/*"}),
        ("/api/v1/crm/companies/", {}),
        ("/api/v1/crm/people/", {"HTTP_ACCEPT_LANGUAGE": "de"}),
    ],
)
def test_reads_are_answered_alike(
    anna: User, secret: str, common: Any, short: Any, path: str, headers: dict[str, str]
) -> None:
    for _each in range(3):
        factories.make_deal("x", owner=anna)
    assert asked(short, secret, path, **headers) == asked(common, secret, path, **headers)


def test_a_row_is_answered_alike(deal: Deal, boris: User, secret: str, common: Any, short: Any) -> None:
    foreign = factories.make_deal(owner=boris)
    for pk, status in ((deal.pk, 200), (foreign.pk, 404)):
        answers = [asked(way, secret, f"{DEALS}{pk}/") for way in (short, common)]
        assert answers[0] == answers[1]
        assert answers[0][0] == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"title": "Desks"}, 201),
        ({"title": "Desks", "amount": {"amount": "12.50", "currency": "EUR"}, "probability": None}, 201),
        ({}, 400),
        ({"title": "x" * 201, "amount": {"amount": 1.5}}, 400),
        ({"title": "x", "company": 10**9}, 400),
        ({"title": "x", "stage": "won"}, 400),
        ({"title": "x", "tags": [1, "x"], "next_step_date": "soon"}, 400),
        ([], 400),
        (b"{", 400),
        (b'{"title": NaN}', 400),
        (b"\xff", 400),
    ],
)
def test_new_deals_are_answered_alike(secret: str, common: Any, short: Any, body: Any, status: int) -> None:
    own = {"id", "number", "created_at", "updated_at", "stage_entered_at"}
    answers = []
    for way in (short, common):
        code, headers, shown = asked(way, secret, DEALS, body, HTTP_ACCEPT_LANGUAGE="ru")
        if code == 201:
            shown = {name: value for name, value in shown.items() if name not in own}
        answers.append((code, headers | {"Content-Length": ""}, shown))
    assert answers[0] == answers[1]
    assert answers[0][0] == status


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/v1/me/", {}),
        ("/api/v1/nowhere/", {}),
        (DEALS[:-1], {}),
        (f"{DEALS}x/", {}),
        (f"{DEALS}1/archive/", {}),
        ("/api/v1/crm/products/", {}),
        (DEALS, {"HTTP_COOKIE": "django_language=ru"}),
        (DEALS, {"HTTP_ACCEPT": "text/html"}),
        (f"{DEALS}?format=json", {}),
        (f"{DEALS}?%66ormat=json", {}),
        (DEALS, {"REQUEST_METHOD": "HEAD"}),
        (DEALS, {"REQUEST_METHOD": "DELETE"}),
        (DEALS, {"REQUEST_METHOD": "POST", "CONTENT_TYPE": "text/plain"}),
        (DEALS, {"HTTP_HOST": "somebody.elses"}),
        (DEALS, {"HTTP_HOST": "a b"}),
    ],
)
def test_the_unusual_goes_the_common_way(secret: str, path: str, headers: dict[str, str]) -> None:
    seen = []

    def elsewhere(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Length", "0")])
        return []

    asked(Lane(elsewhere), secret, path, **headers)  # type: ignore[arg-type]
    assert seen == [path.partition("?")[0]]


def test_a_fault_is_told_and_never_tried_again(
    secret: str, common: Any, short: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def broken(self: Any, request: Any) -> Any:
        calls.append(request)
        raise ZeroDivisionError

    monkeypatch.setattr(DealViewSet, "create", broken)
    status, _headers, shown = asked(short, secret, DEALS, {"title": "x"})
    assert (status, shown["code"], len(calls)) == (500, "fault", 1)
    assert asked(common, secret, DEALS, {"title": "x"})[2] == shown


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        (DEALS, {"title": "x"}, {"CONTENT_LENGTH": str(10**9), "HTTP_ACCEPT_LANGUAGE": "ru"}, 413),
        (f"{DEALS}?title=%00", None, {}, 400),
    ],
)
def test_what_is_refused_at_the_door_is_told_in_the_same_words(
    secret: str, common: Any, short: Any, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    answers = [asked(way, secret, path, body, **headers) for way in (short, common)]
    assert answers[0][0] == status
    for here, there in zip(*answers, strict=True):
        if isinstance(here, dict) and "X-Request-Id" in here:
            # Further out than what says these.
            assert there.items() <= here.items()
        else:
            assert here == there


def test_what_is_remembered_is_part_of_what_programs_pass_through() -> None:
    assert set(settings.REMEMBERED_MIDDLEWARE) < set(settings.PROGRAM_MIDDLEWARE)


def test_nobody_waits_for_the_signals_that_are_not_sent() -> None:
    """Whoever begins to listen to Django's signals of requests has to be called by the lane as well."""
    listening = {
        each[1]().__name__
        for signal in (signals.request_started, signals.request_finished)
        for each in signal.receivers
    }
    assert listening <= {"reset_queries", "close_old_connections", "close_caches", "reset_urlconf"}


@pytest.mark.django_db(transaction=True)
class TestQuestions:
    """How many statements each of the hot requests takes, with the key."""

    def counted(self, way: Any, secret: str, path: str, body: Any = None) -> list[str]:
        with CaptureQueriesContext(connection) as found:
            assert asked(way, secret, path, body)[0] in {200, 201}
        return [query["sql"] for query in found.captured_queries]

    def test_reads_ask_once(self, anna: User, secret: str, short: Any) -> None:
        deal = factories.make_deal(owner=anna)
        for path in (DEALS, f"{DEALS}{deal.pk}/"):
            # Whose key it is and what they may see is known from the first time.
            asked(short, secret, path)
            assert len(self.counted(short, secret, path)) == 1

    def test_a_new_deal_asks_seven_times(self, anna: User, secret: str, short: Any) -> None:
        company, person = factories.make_company(owner=anna), factories.make_person(owner=anna)
        body = {"title": "x", "stage": stage("Proposal").pk, "company": company.pk, "person": person.pk}
        asked(short, secret, DEALS, body)
        asking = self.counted(short, secret, DEALS, body)
        # The key; begin; what it stands on; the deal with its step, may they, and what is told of it; the fact; commit;
        # the row.
        assert len(asking) == 7, "\n".join(asking)
        assert not [text for text in asking if "SAVEPOINT" in text]


# The kept serializer

_text = st.text(max_size=12)
_odd = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _text, st.lists(_text, max_size=2))
_bodies = st.one_of(
    _odd,
    st.fixed_dictionaries(
        {},
        optional={
            name: st.one_of(_odd, *cast("list[Any]", likely))
            for name, likely in {
                "title": [_text, st.just("x" * 201), st.just(" x ")],
                "stage": [st.integers(1, 5)],
                "company": [st.integers(1, 3)],
                "person": [st.none()],
                "owner": [st.integers(1, 3)],
                "amount": [
                    st.fixed_dictionaries(
                        {},
                        optional={
                            "amount": st.one_of(_odd, st.just("1.5")),
                            "currency": st.one_of(_odd, st.just("EUR")),
                        },
                    )
                ],
                "probability": [st.integers(-1, 101)],
                "opened_date": [st.dates().map(str)],
                "expected_close_date": [st.dates().map(str)],
                "next_step": [_text],
                "next_step_date": [st.dates().map(str)],
                "description": [_text],
                "tags": [st.lists(st.one_of(st.integers(1, 3), _odd), max_size=3)],
                "number": [_text],
                "unknown": [_text],
            }.items()
        },
    ),
)


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=_bodies)
def test_a_kept_serializer_judges_as_a_fresh_one(anna: User, body: Any) -> None:
    request: Any = RequestFactory().post(DEALS)
    request.user = anna
    context = {"request": request, "view": None}
    fresh, kept = NewDealSerializer(data=body, context=context), input_of(NewDealSerializer, body, context)
    assert kept.is_valid() == fresh.is_valid()
    assert kept.errors == fresh.errors
    assert _plain(service_values(kept.validated_data)) == _plain(service_values(fresh.validated_data))


def _plain(values: dict[str, Any]) -> str:
    return repr(sorted(values.items()))


# What a deal stands on, in one question or one by one


@pytest.mark.parametrize("stage_name", [None, "Proposal", "Won", "none"])
@pytest.mark.parametrize("company", ["own", "foreign", "trash", "none", None])
@pytest.mark.parametrize("is_person_own", [True, False])
def test_one_question_decides_as_many(
    anna: User,
    boris: User,
    monkeypatch: pytest.MonkeyPatch,
    stage_name: str | None,
    company: str | None,
    is_person_own: bool,
) -> None:
    from django.core.exceptions import ValidationError
    from django.utils import timezone

    from apps.crm.services import deals

    companies = {
        "own": factories.make_company(owner=anna).pk,
        "foreign": factories.make_company(owner=boris).pk,
        "trash": factories.make_company(owner=anna, archived_at=timezone.now()).pk,
        "none": 10**9,
        None: None,
    }
    named: dict[str, Any] = {
        "company_id": companies[company],
        "person_id": factories.make_person(owner=anna if is_person_own else boris).pk,
    }
    if stage_name is not None:
        named["stage_id"] = 10**9 if stage_name == "none" else stage(stage_name).pk

    def made() -> Any:
        try:
            deal = deals.create_deal(actor=anna, face=deals.Face.API, title="x", **named)
        except ValidationError as error:
            return [(field, [each.code for each in errors]) for field, errors in error.error_dict.items()]
        columns = Deal.objects.filter(pk=deal.pk).values(
            "stage_id",
            "pipeline_id",
            "status",
            "probability",
            "company_id",
            "person_id",
            "owner_id",
            "team_id",
        )
        return columns.get()

    at_once = made()
    with monkeypatch.context() as patch:
        patch.setattr(deals, "_usual_ground", lambda *args, **kwargs: None)
        assert made() == at_once


@pytest.mark.parametrize("model", [Company, Person, Deal, Tag])
def test_a_row_is_inserted_as_django_would(anna: User, model: Any) -> None:
    from apps.accounts.rows import save_new

    place = stage("Proposal")
    values: dict[Any, dict[str, Any]] = {
        Company: {"name": "x", "annual_revenue": "1.50", "created_by": anna},
        Person: {"given_name": "Иван", "family_name": "О'Нил"},
        Deal: {"title": "x", "stage": place, "pipeline": place.pipeline, "owner": anna, "currency": "RUB"},
        Tag: {"name": "x", "color": ""},
    }
    one = model(**values[model])
    save_new(one)
    assert (one._state.adding, one._state.db) == (False, "default")
    read = model.objects.get(pk=one.pk)
    loaded = {name for name in one.__dict__ if not name.startswith("_")}
    # What the amount is worth is the database's to say.
    said_there = {"amount_base", "rate", "rate_date"}
    for field in model._meta.concrete_fields:
        if field.attname in said_there:
            continue
        assert field.attname in loaded
        assert field.to_python(getattr(one, field.attname)) == getattr(read, field.attname), field.name
    model.objects.filter(pk=one.pk).delete()
    other = model(**values[model])
    other.save(force_insert=True)
    unlike = {"id", "number", "created_at", "updated_at", "opened_date", "stage_entered_at"}
    second = model.objects.get(pk=other.pk)
    for field in model._meta.concrete_fields:
        if field.name not in unlike:
            assert getattr(second, field.attname) == getattr(read, field.attname), field.name
