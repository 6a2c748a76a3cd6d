"""
The process that fills and sets templates. It runs this file alone: no Django, no settings, no secrets.

Called with a directory that holds `request.json` and the template; writes `answer.json` there, and the result beside
it. A refusal is a code with facts; whoever asked says it in words.
"""

import ctypes
import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# From <linux/sched.h>: a user of one's own, who may have a network of one's own, which leads nowhere.
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
# What a Word file may come to, unpacked. Honest ones have a few dozen parts and some megabytes of pictures.
MOST_PARTS, MOST_BYTES, MOST_RATIO = 2_000, 64 * 1024 * 1024, 200
# Below this, any ratio is harmless: an empty style sheet packs very well.
SMALL_BYTES = 1024 * 1024
# The words of a template, all of its parts together; the tags are looked for in them with regular expressions.
MOST_XML = 8 * 1024 * 1024

_TEXT = re.compile(r"^word/(document|header\d*|footer\d*|footnotes)\.xml$")
# Parts that carry programs, other documents, or what Office loads from elsewhere.
_ACTIVE = re.compile(
    r"(vbaproject|vbadata|/activex/|/embeddings/|oleobject|customui|/afchunk|\.docm$|\.dotm$)", re.IGNORECASE
)
_ACTIVE_RELATIONS = (
    "oleObject",
    "aFChunk",
    "attachedTemplate",
    "control",
    "vbaProject",
    "subDocument",
    "frame",
)
# Fields that fetch what stands elsewhere, and those that run it.
_FETCHING = re.compile(r"\b(DDEAUTO|DDE|INCLUDETEXT|INCLUDEPICTURE|IMPORT|LINK|DATABASE|MACROBUTTON)\b")
_LINKS = ("http://", "https://", "mailto:", "tel:")
_FILTERS = frozenset(
    [
        "upper",
        "lower",
        "title",
        "capitalize",
        "trim",
        "default",
        "d",
        "length",
        "first",
        "last",
        "join",
        "replace",
    ]
)
_TESTS = frozenset(["defined", "undefined", "none", "equalto", "eq", "ne", "odd", "even", "divisibleby"])


class Refused(Exception):
    """The template cannot be taken: a code, and what it is about."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


def main(place: Path) -> None:
    """Do what the request says, and leave an answer whatever happens."""
    request = json.loads((place / "request.json").read_text())
    _limit(request["limits"])
    answer: dict[str, Any]
    try:
        answer = {"found": _KINDS[request["kind"]](place, request)}
    except Refused as refused:
        answer = {"refused": refused.code, "facts": refused.facts}
    except MemoryError:
        answer = {"refused": "too_heavy", "facts": {}}
    (place / "answer.json").write_text(json.dumps(answer))


def _limit(limits: dict[str, int]) -> None:
    for name, most in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        resource.setrlimit(kind, (most, most))
    # Where the kernel lets nobody do that, a proxy at which nobody listens is what counts.
    ctypes.CDLL(None).unshare(NEW_USER | NEW_NETWORK)


# Typst


def _set_typst(place: Path, request: dict[str, Any]) -> dict[str, Any]:
    import typst  # noqa: PLC0415 - 80 MB that only this kind needs

    compiler_fonts = [request["fonts"]]
    root = place / "root"
    try:
        pdf = typst.compile(
            root / "main.typ",
            root=root,
            font_paths=compiler_fonts,
            ignore_system_fonts=True,
            format="pdf",
            # Nothing is loaded from the network: packages are looked for where there are none.
            package_path=place / "packages",
            package_cache_path=place / "packages",
            pdf_standards=["a-3b"],
            timestamp=request["timestamp"],
        )
    except typst.TypstError as error:
        raise Refused("typst", message=error.message[:1000], diagnostic=error.diagnostic[:4000]) from error
    (place / "result").write_bytes(pdf)
    return {}


# Word


def inspect_word(place: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Look a Word template through: is it harmless, and what does it ask for?"""
    path = place / "template.docx"
    _look_through(path)
    names: set[str] = set()
    environment = _environment()
    for source in _sources(path):
        names |= _asked(environment, source)
    return {"names": sorted(names)}


def fill_word(place: Path, request: dict[str, Any]) -> dict[str, Any]:
    from docxtpl import DocxTemplate  # noqa: PLC0415 - only this kind needs it
    from jinja2.exceptions import TemplateError  # noqa: PLC0415

    path = place / "template.docx"
    _look_through(path)
    template = DocxTemplate(str(path))
    try:
        template.render(request["data"], jinja_env=_environment(), autoescape=True)
    except (TemplateError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        # The last four are what a template does to values that it takes for others.
        raise Refused("template", message=str(error)[:1000]) from error
    template.save(str(place / "result"))
    return {}


def _environment() -> Any:
    """Return where templates run: no functions, no methods, few filters, and nothing can be changed."""
    from jinja2 import StrictUndefined  # noqa: PLC0415 - only Word needs it
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(autoescape=True, undefined=StrictUndefined)
    environment.globals.clear()
    environment.filters = {name: f for name, f in environment.filters.items() if name in _FILTERS}
    environment.tests = {name: t for name, t in environment.tests.items() if name in _TESTS}
    return environment


def _look_through(path: Path) -> None:
    """
    Refuse a file that is no plain Word document.

    :raises Refused: it is packed to burst, carries programs, or fetches things from elsewhere
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            _must_fit(parts)
            _must_be_plain(archive, parts)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise Refused("not_word") from error


def _must_fit(parts: list[zipfile.ZipInfo]) -> None:
    whole = sum(part.file_size for part in parts)
    texts = sum(part.file_size for part in parts if _TEXT.match(part.filename))
    if len(parts) > MOST_PARTS or whole > MOST_BYTES or texts > MOST_XML:
        raise Refused("too_heavy")
    for part in parts:
        if part.file_size > SMALL_BYTES and part.file_size > MOST_RATIO * max(part.compress_size, 1):
            raise Refused("too_heavy")
    names = [part.filename.lower() for part in parts]
    # Two parts of one name read differently in different programs.
    if len(set(names)) != len(names):
        raise Refused("not_word")


def _must_be_plain(archive: zipfile.ZipFile, parts: list[zipfile.ZipInfo]) -> None:
    names = {part.filename for part in parts}
    if not {"[Content_Types].xml", "word/document.xml"} <= names:
        raise Refused("not_word")
    for part in parts:
        if _ACTIVE.search(f"/{part.filename}"):
            raise Refused("active", part=part.filename[:200])
        if part.filename.lower().endswith((".xml", ".rels")):
            _must_be_plain_xml(part.filename, archive.read(part))


def _must_be_plain_xml(name: str, data: bytes) -> None:
    from lxml import etree  # noqa: PLC0415 - only Word needs it

    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise Refused("active", part=name[:200])
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        tree = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Refused("not_word") from error
    # Encodings hide words from whoever looks at the bytes; the tree has none.
    if tree.getroottree().docinfo.doctype:
        raise Refused("active", part=name[:200])
    if name.endswith(".rels"):
        for relation in tree.iter("{*}Relationship"):
            _must_be_harmless(
                relation.get("Type", ""), relation.get("TargetMode"), relation.get("Target", "")
            )
    elif name == "[Content_Types].xml":
        if any(
            "macroEnabled" in one.get("ContentType", "") for one in tree.iter("{*}Override", "{*}Default")
        ):
            raise Refused("active", part=name)
    elif name.startswith("word/"):
        _must_fetch_nothing(tree)


def _must_be_harmless(kind: str, mode: str | None, target: str) -> None:
    kind = kind.rsplit("/", 1)[-1]
    if kind.lower() in {one.lower() for one in _ACTIVE_RELATIONS}:
        raise Refused("active", part=kind[:200])
    # A link that somebody may click on is none that Office follows by itself.
    if mode == "External" and not (kind == "hyperlink" and target.lower().startswith(_LINKS)):
        raise Refused("external", target=target[:200])


def _must_fetch_nothing(tree: Any) -> None:
    # A field's words may be cut into runs, so that they are looked at as a whole.
    words = "".join(text.text or "" for text in tree.iter("{*}instrText"))
    words += " ".join(value for one in tree.iter("{*}fldSimple") for key, value in one.attrib.items())
    fetching = _FETCHING.search(words.upper())
    if fetching is not None:
        raise Refused("field", name=fetching[0])


def _sources(path: Path) -> Iterator[str]:
    """Yield the templates in a Word file as docxtpl reads them: body, headers, footers, footnotes, properties."""
    from docxtpl import DocxTemplate  # noqa: PLC0415 - only Word needs it

    template = DocxTemplate(str(path))
    template.init_docx()
    yield template.patch_xml(template.get_xml())
    for uri in (template.HEADER_URI, template.FOOTER_URI):
        for _key, part in template.get_headers_footers(uri):
            yield template.patch_xml(template.get_part_xml(part))
    for section in template.docx.sections:
        for part in section.part.package.parts:
            if part.content_type.endswith("footnotes+xml"):
                yield template.patch_xml(part.blob.decode())
        break
    properties = template.docx.core_properties
    for name in ("author", "category", "comments", "identifier", "keywords", "language", "subject", "title"):
        yield str(getattr(properties, name, "") or "")


def _asked(environment: Any, source: str) -> set[str]:
    """
    Return the names that a template asks for, dotted ("deal.title"); names within a list as "lines[].name".

    :raises Refused: it does what no template needs: calls something, or reaches behind a value
    """
    from jinja2 import TemplateSyntaxError, nodes  # noqa: PLC0415 - only Word needs it

    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        raise Refused("template", message=str(error.message)[:1000]) from error
    allowed = tuple(getattr(nodes, name) for name in _NODES)
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, allowed):
            raise Refused("forbidden", what=type(node).__name__)
        if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
            raise Refused("forbidden", what=node.attr[:100])
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise Refused("forbidden", what=str(node.name)[:100])
        if isinstance(node, nodes.Test) and node.name not in _TESTS:
            raise Refused("forbidden", what=str(node.name)[:100])
    names: set[str] = set()
    _gather(tree, {"loop": ""}, names, nodes)
    return names


# What a template may be made of. No calls, no arithmetic that makes much of little, no imports, no macros.
_NODES = (
    *(
        "Template",
        "Output",
        "TemplateData",
        "Name",
        "Getattr",
        "Const",
        "Filter",
        "Test",
        "For",
        "If",
        "CondExpr",
    ),
    *("Compare", "Operand", "And", "Or", "Not", "Keyword", "Tuple"),
)


def _gather(node: Any, bound: dict[str, str], names: set[str], nodes: Any) -> None:
    """Walk down, knowing what the variables of the loops around stand for ("" for nothing of the data)."""
    if isinstance(node, nodes.Name | nodes.Getattr):
        path = _path_of(node, bound, nodes)
        if path:
            names.add(path)
        return
    if isinstance(node, nodes.For):
        _gather(node.iter, bound, names, nodes)
        over = _path_of(node.iter, bound, nodes)
        inner = dict(bound)
        for target in [node.target, *node.target.find_all(nodes.Name)]:
            if isinstance(target, nodes.Name):
                inner[target.name] = f"{over}[]" if over else ""
        for child in [*node.body, *node.else_, *([node.test] if node.test else [])]:
            _gather(child, inner, names, nodes)
        return
    for child in node.iter_child_nodes():
        _gather(child, bound, names, nodes)


def _path_of(node: Any, bound: dict[str, str], nodes: Any) -> str:
    """Return what a chain of names leads to; "" for what is not of the data."""
    if isinstance(node, nodes.Name):
        return bound.get(str(node.name), str(node.name))
    if isinstance(node, nodes.Getattr):
        above = _path_of(node.node, bound, nodes)
        return f"{above}.{node.attr}" if above else ""
    return ""


_KINDS = {"typst": _set_typst, "inspect": inspect_word, "word": fill_word}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
