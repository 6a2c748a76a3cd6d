"""The papers of the demo: folders, and a few small files for companies and deals, each a real one of its kind."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from apps.accounts.models import User
from apps.crm.models import Company, Deal
from apps.documents.models import Document, DocumentLink, DocumentType, Folder
from apps.documents.services import blobs, catalog, checkouts, documents, folders, keeping
from apps.documents.services.documents import Content, Target

_PDF, _TEXT = "application/pdf", "text/plain"
# Name, and the folders that lie in it.
FOLDERS: list[tuple[str, list[str]]] = [
    ("Contracts", ["2025", "2026"]),
    ("Customers", []),
    ("Offers", []),
    ("Templates and samples", []),
]
# The deals that have papers, by their place among those of the demo.
_DEALS = range(0, 60, 4)


@dataclass(frozen=True)
class Papers:
    """Contents that are kept already, before the transaction in which documents are made of them."""

    details: list[Content]
    agreement: Content
    price_list: Content
    briefs: list[Content]
    estimates: list[Content]


def keep_papers(companies: Sequence[str]) -> Papers:
    """Keep the contents of the demo's papers in the storage."""
    details = [_details(place, name) for place, name in enumerate(companies, start=1)]
    agreement = [
        "Framework agreement",
        "",
        "1. What is delivered, and when, each order says.",
        "2. Payment in 14 days.",
    ]
    prices = [
        "Price list",
        "",
        "Workplace Basic      18 900",
        "Workplace Pro        42 500",
        "Meeting room        310 000",
    ]
    return Papers(
        details=[_kept(text.encode(), _TEXT, "details.txt") for text in details],
        agreement=_kept(small_pdf(agreement), _PDF, "framework-agreement.pdf"),
        price_list=_kept(small_pdf(prices), _PDF, "price-list.pdf"),
        briefs=[
            _kept(_brief(count).encode(), _TEXT, "brief.txt", comment)
            for count, comment in ((12, ""), (16, "Four places more"))
        ],
        estimates=[
            _kept(
                small_pdf(["Estimate", "", f"Workplaces: {count}", f"In all: {count * 42_500}"]),
                _PDF,
                "estimate.pdf",
            )
            for count in (12, 16)
        ],
    )


def make_papers(papers: Papers, companies: Sequence[Company], deals: Sequence[Deal], *, system: User) -> int:
    """Make the demo's documents by the people who would have written them. :return: how many"""
    places = _folders(system)
    original = catalog.create_tag(name="original on paper", actor=system)
    kinds = {kind.code: kind for kind in DocumentType.objects.all()}
    documents.create_document(
        actor=system,
        content=papers.price_list,
        type_id=kinds["file"].pk,
        title="Price list",
        folder_id=places["Templates and samples"].pk,
        owner_id=None,
        team_id=None,
    )
    for company, details in zip(companies, papers.details, strict=True):
        documents.create_document(
            actor=company.owner or system,
            content=details,
            targets=[Target("crm.company", company.pk)],
            type_id=kinds["file"].pk,
            title=f"{company.name}: details",
            folder_id=places["Customers"].pk,
        )
        documents.create_document(
            actor=company.owner or system,
            content=papers.agreement,
            targets=[Target("crm.company", company.pk, DocumentLink.Role.CONTRACT)],
            type_id=kinds["contract"].pk,
            title=f"Framework agreement, {company.name}",
            folder_id=places["2026"].pk,
            tag_ids=[original.pk],
        )
    written = [_of_deal(papers, deals[place], kinds, places) for place in _DEALS if place < len(deals)]
    _states([document for pair in written for document in pair], system)
    return 1 + 2 * len(companies) + 2 * len(written)


def _folders(system: User) -> dict[str, Folder]:
    found: dict[str, Folder] = {}
    for name, inner in FOLDERS:
        found[name] = _everybodys_folder(name, None, system)
        for below in inner:
            found[below] = _everybodys_folder(below, found[name].pk, system)
    return found


def _everybodys_folder(name: str, parent_id: int | None, system: User) -> Folder:
    return folders.create_folder(actor=system, name=name, parent_id=parent_id, owner_id=None, team_id=None)


def _of_deal(
    papers: Papers, deal: Deal, kinds: dict[str, DocumentType], places: dict[str, Folder]
) -> tuple[Document, Document]:
    """Write down what somebody wanted and what it would cost, each in two versions."""
    targets = [Target("crm.deal", deal.pk)]
    made = []
    for versions, code, title in (
        (papers.briefs, "file", f"Brief: {deal.title}"),
        (papers.estimates, "quote", f"Estimate: {deal.title}"),
    ):
        document = documents.create_document(
            actor=deal.owner,
            content=versions[0],
            type_id=kinds[code].pk,
            title=title[:300],
            folder_id=places["Offers"].pk,
            targets=targets,
        )
        documents.add_version(document.pk, versions[1], actor=deal.owner)
        made.append(document)
    return made[0], made[1]


def _states(written: list[Document], system: User) -> None:
    """Let some of the papers be worked on, held, void, or in the trash."""
    by_place = dict(enumerate(written))
    checkouts.check_out_document(by_place[0].pk, actor=_owner(by_place[0], system), hours=48)
    keeping.hold_document(by_place[3].pk, reason="A question of the tax office", actor=system)
    keeping.void_document(by_place[5].pk, reason="The sum was wrong", actor=system)
    documents.archive_document(by_place[7].pk, actor=_owner(by_place[7], system))


def _owner(document: Document, system: User) -> User:
    return document.owner or system


def _kept(data: bytes, content_type: str, file_name: str, comment: str = "") -> Content:
    return Content(blobs.keep(io.BytesIO(data), content_type=content_type), file_name, comment=comment)


def _details(place: int, name: str) -> str:
    return f"{name}\noffice@company{place}.example\nAccount 4070281000000000{place:04d}\n"


def _brief(count: int) -> str:
    return f"What is wanted\n\nWorkplaces: {count}\nMeeting rooms: 2\nTo be ready before the end of the quarter.\n"


def small_pdf(lines: Sequence[str]) -> bytes:
    """
    Write a page of plain lines as a PDF, by hand: the demo needs a file that every viewer opens, and no library.

    :param lines: Latin letters only, which is what a viewer's own Helvetica has
    """
    said = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in lines]
    text = "BT /F1 14 Tf 72 770 Td 20 TL " + " ".join(f"({line}) Tj T*" for line in said) + " ET"
    stream = text.encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    foot = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    return body + head + foot
