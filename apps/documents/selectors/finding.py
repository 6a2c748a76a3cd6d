"""Reading documents: which are meant by some words, and what there is to look at of a content."""

from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.search import SearchHeadline, SearchQuery, SearchRank
from django.db.models import Case, F, FloatField, QuerySet, Value, When
from django.db.models.functions import Coalesce, Left

from apps.accounts.models import User
from apps.common.lists.search import contains, words_of
from apps.documents.models import Blob, Document, DocumentLink, DocumentText, Rendition

# How a word is taken: as Russian (whose dictionary knows the English too), as English, and as it is written.
LANGUAGES = ("russian", "english", "simple")
# Of so many matches, the newest, the best are found.
_RANKED = 1_000
# As much of a text as is looked through for the lines around a match.
_LOOKED_THROUGH = 200_000
# Private signs of Unicode, which nobody writes: they stand around what was found.
_FROM, _TO = "\ue000", "\ue001"
Kind, State = Rendition.Kind, Rendition.State


@dataclass(frozen=True)
class Piece:
    """Some words of a text, and whether they are what was looked for."""

    text: str
    is_match: bool


@dataclass(frozen=True)
class Found:
    """A document that was found, how well it fits, and the words around the match where it was in the text."""

    document: Document
    rank: float
    snippet: list[Piece]


def text_query(term: str) -> SearchQuery:
    """Return what somebody typed as a query for the words of texts, in every language that we know."""
    query: Any = SearchQuery(term, config=LANGUAGES[0], search_type="websearch")
    for language in LANGUAGES[1:]:
        query |= SearchQuery(term, config=language, search_type="websearch")
    found: SearchQuery = query
    return found


def matching_documents(queryset: QuerySet[Document], term: str) -> QuerySet[Document]:
    """
    Keep the documents that somebody means by some words.

    Each word stands in the title, in the number or in the name of what the document belongs to; or all of them stand in
    the text. Each of these has its index, so they are asked one by one.

    :param queryset: what the person may see: this narrows, and never widens
    """
    term = term.replace("\x00", "")
    words = words_of(term)
    if not words:
        return queryset
    texts = DocumentText.objects.filter(words=text_query(term)).values("document_id")
    if len(words) == 1:
        # Without a look at each of them in the table again, which is most of what a common word costs.
        return queryset.filter(pk__in=_named(words[0]).union(texts))
    named = Document.objects.all()
    for word in words:
        named = named.filter(pk__in=_named(word))
    return queryset.filter(pk__in=named.values("pk").union(texts))


def _named(word: str) -> Any:
    """Return the keys of the documents in whose title, number or party a word stands."""
    own = Document.objects.filter(contains("title", word) | contains("number", word)).values("pk")
    parties = DocumentLink.objects.filter(contains("target_name", word)).values("document_id")
    return own.union(parties)


def search(actor: User, term: str, *, limit: int = 50) -> list[Found]:
    """Return the documents that `actor` sees and means by some words, the best first; nothing from the trash."""
    if not words_of(term.replace("\x00", "")):
        return []
    rows = matching_documents(Document.objects.visible_to(actor).active(), term)
    newest = list(rows.order_by("-pk").values_list("pk", flat=True)[:_RANKED])
    query, whole = text_query(term), term.strip().strip("\"'")
    rank = Case(
        When(number__iexact=whole, then=Value(3.0)),
        When(contains("title", whole) | contains("number", whole), then=Value(2.0)),
        When(
            pk__in=DocumentLink.objects.filter(contains("target_name", whole)).values("document_id"),
            then=Value(1.0),
        ),
        default=Value(0.0),
        output_field=FloatField(),
    ) + Coalesce(SearchRank(F("text__words"), query), Value(0.0), output_field=FloatField())
    ranked = Document.objects.filter(pk__in=newest).annotate(rank=rank).order_by("-rank", "-pk")
    best = list(ranked.select_related("type", "owner", "current_version")[:limit])
    snippets = _snippets([document.pk for document in best], query)
    return [Found(row, round(row.rank, 4), snippets.get(row.pk, [])) for row in best]


def _snippets(document_ids: list[int], query: SearchQuery) -> dict[int, list[Piece]]:
    """Return the words around the matches, of those documents in whose text there are any."""
    headline = SearchHeadline(
        Left("text", _LOOKED_THROUGH),
        query,
        config=LANGUAGES[0],
        start_sel=_FROM,
        stop_sel=_TO,
        max_words=30,
        min_words=12,
        max_fragments=2,
        fragment_delimiter=" … ",
    )
    found = DocumentText.objects.filter(pk__in=document_ids, words=query).annotate(headline=headline)
    return {pk: _pieces(headline) for pk, headline in found.values_list("pk", "headline")}


def _pieces(headline: str) -> list[Piece]:
    pieces = []
    before, *rest = headline.split(_FROM)
    for text, is_match in [(before, False), *(each for part in rest for each in _halves(part))]:
        if text:
            pieces.append(Piece(" ".join(text.split(" ")), is_match))
    return pieces


def _halves(part: str) -> list[tuple[str, bool]]:
    match, _sign, after = part.partition(_TO)
    return [(match, True), (after, False)]


# What there is to look at


def preview_of(blob: Blob) -> Rendition | None:
    """Return how far the preview of a content is; None where nobody has asked for one."""
    return Rendition.objects.select_related("blob").filter(source=blob, kind=Kind.PREVIEW).first()


def is_harmless_pdf(blob: Blob) -> bool:
    """Tell whether a PDF was looked through and does nothing: then it is its own preview."""
    return Rendition.objects.filter(source=blob, kind=Kind.PREVIEW, state=State.READY, blob=blob).exists()


def picture_of(blob: Blob, *, page: int | None = None) -> Blob | None:
    """Return the picture of a page of a content, or the small one of all of it; None where there is none."""
    kind, page = (Kind.THUMBNAIL, 0) if page is None else (Kind.PAGE, page)
    found = Rendition.objects.select_related("blob").filter(
        source=blob, kind=kind, page=page, state=State.READY
    )
    rendition = found.first()
    return rendition.blob if rendition is not None else None


def pictured_pages(blob: Blob) -> list[int]:
    """Return the pages of a content that there are pictures of, in order."""
    pages = Rendition.objects.filter(source=blob, kind=Kind.PAGE, state=State.READY)
    return list(pages.order_by("page").values_list("page", flat=True))
