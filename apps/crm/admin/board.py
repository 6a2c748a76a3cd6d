"""The board in the admin: its page, what the page asks for afterwards, and what is done from it."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import CharField, TextField, Value
from django.db.models.functions import Cast
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.translation import gettext

from apps.accounts import access
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, visible_rows
from apps.accounts.models import Team, User
from apps.common.reading import one_reader
from apps.common.templatetags.artel import number
from apps.crm.admin.board_cards import CardWriter, figure, moment
from apps.crm.admin.calendar import layout_links, list_query
from apps.crm.board.filters import Filters, parse
from apps.crm.board.reading import MOST, PAGE, Card, Column, Cursor, read_cards, read_columns, read_figures
from apps.crm.board.stream import BoardStream
from apps.crm.criteria import Asked, missing_of, stored
from apps.crm.models import Company, Deal, LostReason, Pipeline, Stage, StageTransition, Tag
from apps.crm.services import boards, deals
from apps.lists.models import SavedView
from apps.lists.services import views
from apps.lists.viewing import ViewedPage, register_page

Face = StageTransition.Face
# As many owners, teams and tags as a choice lists.
CHOICES = 300
_STATUSES = {"contract_unmet": 422, "stale": 409, "deal_not_open": 409, "archived": 409, "not_found": 404}


PAGE_OF_VIEWS = "crm.deal.board"


def address_of_view(view: SavedView) -> str:
    """Return where a view of a board is looked at; that of a board that is not there any more leads to another."""
    pipeline_id = _id(view.page.rpartition(":")[2])
    params = urlencode(parse(view.params).params()) or "everything=1"
    return f"{reverse('admin:crm_deal_board_page', args=[pipeline_id])}?{params}"


register_page(PAGE_OF_VIEWS, ViewedPage(Deal, address_of_view, layouts=(SavedView.Layout.BOARD,)))


class Opened:
    """A board as one person has it open: whose it is, its stages, its filters."""

    def __init__(self, request: HttpRequest, pipeline_id: int) -> None:
        self.request = request
        self.actor = actor_of(request)
        access.require(self.actor, "view", Deal)
        stages = Stage.objects.visible_to(self.actor).filter(pipeline__archived_at=None)
        everything = list(stages.select_related("pipeline").order_by("pipeline__name", "position"))
        self.pipelines: dict[int, Pipeline] = {stage.pipeline_id: stage.pipeline for stage in everything}
        if pipeline_id not in self.pipelines:
            raise Http404
        self.pipeline = self.pipelines[pipeline_id]
        own = [stage for stage in everything if stage.pipeline_id == pipeline_id]
        self.stages = {stage.pk: stage for stage in own if stage.kind == Stage.Kind.OPEN}
        self.closing = [stage for stage in own if stage.kind != Stage.Kind.OPEN]
        self.filters: Filters = parse(request.GET)
        self.page = f"{PAGE_OF_VIEWS}:{pipeline_id}"

    @cached_property
    def writer(self) -> CardWriter:
        return CardWriter(self.stages, reverse("admin:crm_deal_change", args=[0]))

    @cached_property
    def head(self) -> tuple[str, int]:
        return BoardStream().head(str(self.pipeline.pk))

    def note_missing(self, cards: Iterable[Card]) -> None:
        """Find out for cards what they lack to leave their stage, for all at once; nothing is asked of no contract."""
        contracts = {
            pk: stored(stage.exit_criteria) for pk, stage in self.stages.items() if stage.exit_criteria
        }
        asked = [
            Asked(card.id, card.stage_id, one) for card in cards for one in contracts.get(card.stage_id, ())
        ]
        if asked:
            for pk, missing in missing_of(asked, has_steps=False).items():
                self.writer.missing[pk] = [one.label for one in missing]

    def url(self, name: str, *args: Any) -> str:
        return reverse(f"admin:crm_deal_board_{name}", args=[self.pipeline.pk, *args])

    def figures(self) -> dict[int, dict[str, Any]]:
        """Write the figures of all columns."""
        # The number first: what changes meanwhile is told once more.
        seq = self.head[1]
        found = read_figures(self.actor, self.pipeline.pk, list(self.stages), self.filters, seq=seq)
        return {pk: figure(each, is_about=found.is_about) for pk, each in found.columns.items()}

    def column(self, column: Column) -> dict[str, Any]:
        """Return a column as the page takes it."""
        with one_reader():
            cards = [self.writer.write(card) for card in column.cards]
        return {"html": "".join(cards), "has_more": column.has_more}


class Target(NamedTuple):
    """Where the menu of a card moves it, and by which key."""

    to: str
    key: str
    name: str


def _targets(board: Opened, may: dict[str, bool]) -> Iterator[Target]:
    if may["move"]:
        for place, (pk, stage) in enumerate(board.stages.items(), start=1):
            yield Target(str(pk), str(place), stage.name)
    for stage in board.closing:
        if stage.kind == Stage.Kind.WON and may["win"]:
            yield Target("won", "w", stage.name)
        elif stage.kind == Stage.Kind.LOST and may["lose"]:
            yield Target("lost", "x", stage.name)


class BoardPages(ScopedModelAdmin):
    """The addresses of the board, among those of deals."""

    def get_urls(self) -> list[URLPattern]:
        pages: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("board/", self.board_start, "start"),
            ("board/<int:pipeline_id>/", self.board_view, "page"),
            ("board/<int:pipeline_id>/cards/", self.board_cards, "cards"),
            ("board/<int:pipeline_id>/choices/", self.board_choices, "choices"),
            ("board/<int:pipeline_id>/do/<slug:command>/", self.board_command, "do"),
            ("board/<int:pipeline_id>/views/", self.board_views, "views"),
        ]
        own = [
            path(route, self.admin_site.admin_view(view), name=f"crm_deal_board_{name}")
            for route, view, name in pages
        ]
        return [*own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        links = layout_links(request, SavedView.Layout.LIST, list_query(request))
        if not access.can_any(actor_of(request), "view", Pipeline):
            links = [link for link in links if link["icon"] != "view_kanban"]
        return super().changelist_view(request, {"layouts": links} | (extra_context or {}))

    # The page

    def board_start(self, request: HttpRequest) -> HttpResponse:
        """Lead to a board: the one asked for, the one used last, or that of the default pipeline."""
        actor = actor_of(request)
        access.require(actor, "view", Deal)
        pipelines = Pipeline.objects.visible_to(actor).active().order_by("-is_default", "name")
        known = list(pipelines.values_list("pk", flat=True))
        if not known:
            raise Http404
        query = request.GET.copy()
        asked = "".join(query.pop("pipeline", [])[:1])
        wanted = [int(asked)] if asked.isascii() and asked.isdecimal() else []
        last = SavedView.objects.filter(owner=actor, name="", page__startswith=f"{PAGE_OF_VIEWS}:")
        for page in last.order_by("-updated_at").values_list("page", flat=True)[:1]:
            wanted.append(int(page.rpartition(":")[2]))
        pipeline_id = next((pk for pk in wanted if pk in known), known[0])
        url = reverse("admin:crm_deal_board_page", args=[pipeline_id])
        return HttpResponseRedirect(f"{url}?{query.urlencode()}" if query else url)

    def board_view(self, request: HttpRequest, pipeline_id: int) -> HttpResponse:
        """Show a board; without filters in the address, with those that open first or were used last."""
        board = Opened(request, pipeline_id)
        saved = views.views_of(board.actor, board.page)
        if not board.filters and "everything" not in request.GET:
            remembered = _remembered(saved, board.actor)
            if remembered:
                return HttpResponseRedirect(f"{board.url('page')}?{urlencode(remembered)}")
        _remember(board, saved)
        epoch, seq = board.head
        columns = read_columns(board.actor, list(board.stages), board.filters)
        board.note_missing(card for column in columns.values() for card in column.cards)
        figures = board.figures()
        everything = f"{board.url('page')}?everything=1"
        may = {name: self.may(name, request) for name in ("add", "move", "win", "lose")}
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Board"),
            "opts": self.opts,
            "board": board,
            "epoch": epoch,
            "seq": seq,
            "columns": [
                {"stage": stage, "place": place, **board.column(columns[pk]), **figures[pk]}
                for place, (pk, stage) in enumerate(board.stages.items(), start=1)
            ],
            "chips": _chips(board),
            "tabs": _tabs(board, saved),
            "everything_url": everything,
            "layouts": layout_links(request, SavedView.Layout.BOARD, _list_query(board)),
            "may": may,
            "targets": tuple(_targets(board, may)),
            "may_save": access.can_any(board.actor, "add", SavedView),
            "words": _words(),
            "has_board_keys": True,
        }
        return TemplateResponse(request, "admin/crm/board/page.html", context)

    # What the page asks for afterwards

    def board_cards(self, request: HttpRequest, pipeline_id: int) -> HttpResponse:
        """
        Answer with cards: `ids` that have changed, whole `columns` of a `size`, or what follows `after` in a `stage`.
        """
        board = Opened(request, pipeline_id)
        if request.method != "GET":
            raise PermissionDenied
        if "stage" in request.GET:
            return JsonResponse(_more(board))
        return JsonResponse({"figures": board.figures(), **_changed(board)})

    def board_choices(self, request: HttpRequest, pipeline_id: int) -> HttpResponse:
        """Answer with what filters and the question of a lost deal offer."""
        board = Opened(request, pipeline_id)
        people = visible_rows(board.actor, User).filter(is_active=True, kind=User.Kind.HUMAN)
        found = {
            "owners": people.order_by("name"),
            "teams": visible_rows(board.actor, Team).filter(archived_at=None).order_by("path"),
            "tags": visible_rows(board.actor, Tag).order_by("name"),
            "reasons": visible_rows(board.actor, LostReason).filter(is_active=True).order_by("name"),
        }
        named = {name: list(rows.values_list("pk", "name")[:CHOICES]) for name, rows in found.items()}
        return JsonResponse(named)

    # What is done from it

    def board_command(self, request: HttpRequest, pipeline_id: int, command: str) -> HttpResponse:
        """Move, win, lose or take back; a refusal says why, and how the card stands now."""
        board = Opened(request, pipeline_id)
        run = _COMMANDS.get(command)
        if request.method != "POST" or run is None:
            raise Http404
        given = _Given(request)
        try:
            with transaction.atomic():
                deal, said = run(given, board.actor)
        except (PermissionDenied, ValidationError, ObjectDoesNotExist) as error:
            return _refused(board, given, error)
        card = read_cards(board.actor, list(board.stages), board.filters, [deal.pk])
        board.note_missing(card)
        answer = {
            "said": said,
            "card": board.writer.write(card[0]) if card else "",
            "version": deal.version,
            "figures": board.figures(),
        }
        return JsonResponse(answer)

    def board_views(self, request: HttpRequest, pipeline_id: int) -> HttpResponse:
        """Save, rename, share or delete a view, and go to it."""
        board = Opened(request, pipeline_id)
        if request.method != "POST":
            raise Http404
        try:
            with transaction.atomic():
                params = _change_views(board, request)
        except (PermissionDenied, ValidationError, ObjectDoesNotExist) as error:
            return JsonResponse({"text": _text_of(error)}, status=_status_of(error))
        query = urlencode(params) if params else "everything=1"
        return JsonResponse({"url": f"{board.url('page')}?{query}"})


class _Given:
    """What was sent with a command."""

    def __init__(self, request: HttpRequest) -> None:
        self.deal_id = _id(request.POST.get("deal", ""))
        self.stage_id = _id(request.POST.get("stage", ""))
        self.reason_id = _id(request.POST.get("reason", ""))
        self.version = _id(request.POST.get("version", "")) or None
        self.note = request.POST.get("note", "")
        self.is_placed = "above" in request.POST
        self.above_id = _id(request.POST.get("above", "")) or None

    @property
    def same(self) -> dict[str, Any]:
        return {"face": Face.ADMIN, "expected_version": self.version}


def _move(given: _Given, actor: User) -> tuple[Deal, str]:
    where: dict[str, Any] = {"above_id": given.above_id, "is_placed": given.is_placed}
    deal = boards.move_on_board(given.deal_id, stage_id=given.stage_id, actor=actor, **where, **given.same)
    return deal, gettext("“%(deal)s” is in %(stage)s now.") % {"deal": deal.title, "stage": deal.stage.name}


def _win(given: _Given, actor: User) -> tuple[Deal, str]:
    deal = deals.win_deal(given.deal_id, actor=actor, **given.same)
    return deal, gettext("“%(deal)s” is won.") % {"deal": deal.title}


def _lose(given: _Given, actor: User) -> tuple[Deal, str]:
    deal = deals.lose_deal(
        given.deal_id, reason_id=given.reason_id, note=given.note, actor=actor, **given.same
    )
    return deal, gettext("“%(deal)s” is closed as lost.") % {"deal": deal.title}


def _take_back(given: _Given, actor: User) -> tuple[Deal, str]:
    """Undo the last step from the board: where the deal is closed by now, it is opened again."""
    deal = Deal.objects.visible_to(actor).get(pk=given.deal_id)
    if deal.status == Deal.Status.OPEN:
        deal = deals.move_deal(deal.pk, stage_id=given.stage_id, actor=actor, **given.same)
    else:
        deal = deals.reopen_deal(deal.pk, reason=gettext("Taken back"), actor=actor, **given.same)
    return deal, gettext("Taken back: “%(deal)s” is in %(stage)s again.") % {
        "deal": deal.title,
        "stage": deal.stage.name,
    }


_COMMANDS = {"move": _move, "win": _win, "lose": _lose, "back": _take_back}


def _refused(board: Opened, given: _Given, error: Exception) -> JsonResponse:
    """Say why not, with the card as it stands now, so that the page shows what is true."""
    card = read_cards(board.actor, list(board.stages), board.filters, [given.deal_id])
    board.note_missing(card)
    answer = {
        "text": _text_of(error),
        "code": getattr(error, "code", ""),
        "missing": getattr(error, "facts", {}).get("missing", []),
        "card": board.writer.write(card[0]) if card else "",
    }
    return JsonResponse(answer, status=_status_of(error))


def _text_of(error: Exception) -> str:
    """Say what was refused and what to do about it."""
    if isinstance(error, ValidationError):
        if "stale" in _codes(error):
            return gettext(
                "Somebody else has changed this deal meanwhile. Here is how it stands now: move it again."
            )
        return " ".join(error.messages)
    if isinstance(error, PermissionDenied):
        return str(error) or gettext(
            "You may see this deal, but not do this with it. Ask its owner or your lead."
        )
    return gettext("This deal is not there any more, or not yours to see.")


def _codes(error: ValidationError) -> set[str]:
    found = getattr(error, "error_dict", None)
    errors = [each for errors in found.values() for each in errors] if found else error.error_list
    return {str(each.code) for each in errors}


def _status_of(error: Exception) -> int:
    if isinstance(error, ValidationError):
        return next((_STATUSES[code] for code in _codes(error) if code in _STATUSES), 400)
    return 403 if isinstance(error, PermissionDenied) else 404


def _more(board: Opened) -> dict[str, Any]:
    """Read on in one column."""
    stage_id = _id(board.request.GET["stage"])
    if stage_id not in board.stages:
        raise Http404
    place, card_id = moment(board.request.GET.get("after", "")), _id(board.request.GET.get("after_id", ""))
    after = Cursor(place, card_id) if place is not None else None
    column = read_columns(board.actor, [stage_id], board.filters, after=after)[stage_id]
    board.note_missing(column.cards)
    return board.column(column)


def _changed(board: Opened) -> dict[str, Any]:
    """Return cards that changed, and columns that are read anew; what is not among them is not on the board."""
    ids = _ids(board.request.GET.get("ids", ""))
    stage_ids = [pk for pk in _ids(board.request.GET.get("columns", "")) if pk in board.stages]
    size = max(PAGE, _id(board.request.GET.get("size", "")))
    cards = read_cards(board.actor, list(board.stages), board.filters, ids) if ids else []
    columns = read_columns(board.actor, stage_ids, board.filters, size=size) if stage_ids else {}
    board.note_missing([*cards, *(card for column in columns.values() for card in column.cards)])
    return {
        "cards": [board.writer.write(card) for card in cards],
        "columns": {pk: board.column(column) for pk, column in columns.items()},
    }


def _id(text: str) -> int:
    """Read an id; 0 is nobody's."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _ids(text: str) -> list[int]:
    return [pk for each in text.split(",")[:MOST] if (pk := _id(each))]


# Filters and views


def _list_query(board: Opened) -> dict[str, str]:
    """Return the filters of the list of the same deals."""
    where = {"pipeline__id__exact": str(board.pipeline.pk), "status__exact": Deal.Status.OPEN.value}
    return board.filters.params() | where


def _chips(board: Opened) -> list[dict[str, str]]:
    """List the filters that are on, each with the address without it."""
    filters = board.filters
    names = _names(board.actor, filters)
    said = names | {
        "q": f"“{filters.text}”",
        "amount_from": gettext("from %(what)s") % {"what": number(filters.amount_from)},
        "amount_to": gettext("up to %(what)s") % {"what": number(filters.amount_to)},
        "expected_close_date_from": gettext("closes from %(what)s") % {"what": _date(filters.close_from)},
        "expected_close_date_to": gettext("closes until %(what)s") % {"what": _date(filters.close_to)},
    }
    params = filters.params()
    chips = []
    for name in params:
        rest = urlencode({key: value for key, value in params.items() if key != name}) or "everything=1"
        chips.append({"name": name, "said": said[name], "url": f"{board.url('page')}?{rest}"})
    return chips


def _names(actor: User, filters: Filters) -> dict[str, str]:
    """Return the names of the rows that filters point at, in one query; nothing is said of rows out of sight."""
    wanted = {
        "owner__id__exact": (User, filters.owner_id),
        "team__id__exact": (Team, filters.team_id),
        "company__id__exact": (Company, filters.company_id),
        "tags__id__exact": (Tag, filters.tag_id),
    }
    rows = [
        visible_rows(actor, model)
        .order_by()
        .filter(pk=pk)
        .values_list(Value(param, output_field=CharField()), Cast("name", TextField()))
        for param, (model, pk) in wanted.items()
        if pk is not None
    ]
    found = dict(rows[0].union(*rows[1:], all=True)) if rows else {}
    names = {param: found.get(param) or gettext("not yours to see") for param in wanted}
    return names | ({"owner__id__exact": gettext("My deals")} if filters.owner_id == actor.pk else {})


def _date(value: date | None) -> str:
    return "" if value is None else date_format(value)


def _tabs(board: Opened, saved: list[SavedView]) -> list[dict[str, Any]]:
    current = board.filters.params()
    return [
        {
            "view": view,
            "url": f"{board.url('page')}?{urlencode(view.params) or 'everything=1'}",
            "is_current": view.params == current,
            "is_own": view.owner_id == board.actor.pk,
        }
        for view in saved
        if view.name
    ]


def _remembered(saved: list[SavedView], actor: User) -> dict[str, str]:
    """Return the filters a board opens with: those of the view that opens first, or those used last."""
    last = next((view for view in saved if view.owner_id == actor.pk and not view.name), None)
    own = next((view for view in saved if view.owner_id == actor.pk and view.is_default), None)
    # What a colleague has chosen for all does not take the place of what one has looked at oneself.
    chosen = own or last or views.opens_first(saved, actor)
    return parse(chosen.params).params() if chosen else {}


def _remember(board: Opened, saved: list[SavedView]) -> None:
    params = board.filters.params()
    last = next((view.params for view in saved if not view.name and view.owner_id == board.actor.pk), None)
    if params != last:
        views.remember_view(board.actor, board.page, params)


def _change_views(board: Opened, request: HttpRequest) -> dict[str, str]:
    """Do what a form about views asks for; return the filters to go on with."""
    given, actor = request.POST, board.actor
    view_id, is_shared = _id(given.get("view", "")), given.get("shared") == "1"
    params = parse(given).params()
    if given.get("what") == "delete":
        views.delete_view(view_id, actor=actor)
        return params
    name = given.get("name", "")
    if given.get("what") == "change":
        is_default = given.get("default") == "1"
        view = views.change_view(view_id, actor=actor, name=name, is_shared=is_shared, is_default=is_default)
    else:
        view = views.save_view(actor, board.page, name, params, is_shared=is_shared)
    return dict(view.params)


def _words() -> dict[str, str]:
    """Return what the script says."""
    return {
        "close": gettext("Close"),
        "picked": gettext("Picked up “%(title)s”. Drop it in another stage, or press Escape."),
        "position": gettext("%(stage)s, card %(place)s of %(count)s"),
        "offline": gettext("This did not reach the server. The card is back where it was: try again."),
        "gone": gettext("You may not see this board any more."),
        "menu": gettext("Move “%(title)s” to"),
        "arrived": gettext("“%(title)s” is in %(stage)s now."),
        "left": gettext("“%(title)s” has left the board."),
        "changes": gettext("New on the board."),
        "away": gettext("No connection. What you see catches up as soon as it is back."),
        "out": gettext("You are logged out. Reload the page to log in."),
        "choose": gettext("Choose a reason"),
    }
