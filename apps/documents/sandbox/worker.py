"""
What runs apart from the platform and parses files that strangers wrote: `worker.py <task> <options as JSON>`.

The file comes as the standard input; what is made of it is written to the working directory as `out-…`, what is found
out is said as JSON on the standard output. Knows neither Django nor the platform: nothing in here is worth stealing.
"""

import ctypes
import json
import os
import resource
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

UNSUPPORTED, DAMAGED, PROTECTED, TOO_LARGE = 10, 11, 12, 13
# Sides of pictures, in pixels.
THUMBNAIL, PAGE = 400, 1600
# Bytes that anything written here may have.
LARGEST_FILE = 256 * 1024 * 1024
# As much of a text as is read; a thousand pages.
LONGEST_TEXT = 2_000_000
# From <linux/sched.h>: a user of one's own, who may have a network of one's own, which leads nowhere.
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
# Of a PDF: what acts when it is opened or clicked, or brings other files along.
ACTIVE = {
    "/JS",
    "/JavaScript",
    "/Launch",
    "/RichMedia",
    "/XFA",
    "/SubmitForm",
    "/ImportData",
    "/EmbeddedFiles",
}
# Objects of a PDF that are looked at; one with more is not called harmless.
MOST_OBJECTS = 200_000
# Cells of a spreadsheet and parts of a document are text in these elements.
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
PICTURES = ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"]


class Stop(Exception):
    """Nothing will come of this file. :ivar code: the exit code that says why"""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def limit(options: dict[str, Any]) -> None:
    """Take from this process what it does not need."""
    seconds, memory = int(options["seconds"]), int(options["memory"])
    # The kernel says first that the time is over, and ends it a second later.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)
    # Where the kernel lets nobody do that, the workers' own network is what counts.
    ctypes.CDLL(None).unshare(NEW_USER | NEW_NETWORK)


def picture(options: dict[str, Any]) -> dict[str, Any]:
    """Make a small and a large picture of a picture, without what its camera and its program wrote into it."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(sys.stdin.buffer, formats=PICTURES) as opened:
        if opened.width * opened.height > options["pixels"]:
            raise Stop(TOO_LARGE)
        # A JPEG is read at the size that is needed; other formats do not know how.
        opened.draft("RGB", (PAGE, PAGE))
        image = ImageOps.exif_transpose(opened)
    _save(image, "out-page-1.webp", PAGE)
    _save(image, "out-thumbnail.webp", THUMBNAIL)
    return {"pages": 1}


def pdf(options: dict[str, Any]) -> dict[str, Any]:
    """Make pictures of the first pages of a PDF, and find out whether anything in it acts."""
    import pypdfium2 as pdfium

    document = _opened(pdfium)
    count = len(document)
    for index in range(min(count, int(options["pages"]))):
        page = document[index]
        width, height = page.get_size()
        scale = PAGE / max(width, height, 1)
        image = page.render(scale=scale, may_draw_forms=False).to_pil()
        _save(image, f"out-page-{index + 1}.webp", PAGE)
        if index == 0:
            _save(image, "out-thumbnail.webp", THUMBNAIL)
        page.close()
    sys.stdin.buffer.seek(0)
    return {"pages": count, "is_active": _acts()}


def text(options: dict[str, Any]) -> dict[str, Any]:
    """Write down the words of a file."""
    read: dict[str, Callable[[], Iterator[str]]] = {
        "pdf": _words_of_pdf,
        "docx": _words_of_docx,
        "xlsx": _words_of_xlsx,
        "txt": _words_of_txt,
    }
    room = LONGEST_TEXT
    with Path("out-text.txt").open("w", encoding="utf-8", errors="replace") as out:
        for piece in read[options["kind"]]():
            # PostgreSQL takes no zero bytes.
            out.write(piece[:room].replace("\x00", " "))
            room -= len(piece)
            if room <= 0:
                break
    return {"is_whole": room > 0}


def office(options: dict[str, Any]) -> dict[str, Any]:
    """Become LibreOffice, which makes a PDF of the file: its limits are those of this process."""
    # It needs a name that tells the kind, and reads no standard input.
    source = Path(f"in.{options['suffix']}")
    with source.open("wb") as out:
        while piece := sys.stdin.buffer.read(1 << 20):
            out.write(piece)
    profile = Path("profile/user")
    profile.mkdir(parents=True)
    (profile / "registrymodifications.xcu").write_text(PROFILE, encoding="utf-8")
    # What LibreOffice says is no fact.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    os.execvp(
        options["program"],
        [
            *(options["program"], "--headless", "--norestore", "--nologo", "--nolockcheck", "--nodefault"),
            f"-env:UserInstallation={Path('profile').absolute().as_uri()}",
            *(
                "--convert-to",
                options["to"],
                "--outdir",
                str(Path("made").absolute()),
                str(source.absolute()),
            ),
        ],
    )


# No macros, no links to elsewhere, and a proxy at which nobody listens for what asks all the same.
PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="MacroSecurityLevel" oor:op="fuse">
<value>3</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="DisableMacrosExecution" oor:op="fuse">
<value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="BlockUntrustedRefererLinks"
 oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Inet/Settings"><prop oor:name="ooInetProxyType" oor:op="fuse"><value>2</value></prop>
</item>
<item oor:path="/org.openoffice.Inet/Settings"><prop oor:name="ooInetHTTPProxyName" oor:op="fuse">
<value>127.0.0.1</value></prop></item>
<item oor:path="/org.openoffice.Inet/Settings"><prop oor:name="ooInetHTTPProxyPort" oor:op="fuse"><value>9</value></prop>
</item>
<item oor:path="/org.openoffice.Inet/Settings"><prop oor:name="ooInetHTTPSProxyName" oor:op="fuse">
<value>127.0.0.1</value></prop></item>
<item oor:path="/org.openoffice.Inet/Settings"><prop oor:name="ooInetHTTPSProxyPort" oor:op="fuse"><value>9</value></prop>
</item>
</oor:items>
"""


def _save(image: Any, name: str, side: int) -> None:
    """Write a picture no larger than a square of `side`, and nothing but its points."""
    small = image.copy()
    small.thumbnail((side, side))
    has_holes = small.mode in {"RGBA", "LA", "PA"} or "transparency" in small.info
    small.convert("RGBA" if has_holes else "RGB").save(
        name, "WEBP", quality=80, exif=b"", icc_profile=b"", xmp=b""
    )


def _opened(pdfium: Any) -> Any:
    try:
        return pdfium.PdfDocument(sys.stdin.buffer)
    except pdfium.PdfiumError as error:
        raise Stop(PROTECTED if "password" in str(error).lower() else DAMAGED) from error


def _acts() -> bool:
    """Tell whether a PDF has active parts; one that cannot be looked through may have some."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError
    from pypdf.generic import IndirectObject

    try:
        reader = PdfReader(sys.stdin.buffer, strict=False)
        numbers = {number for table in reader.xref.values() for number in table} | {*reader.xref_objStm}
        if len(numbers) > MOST_OBJECTS:
            return True
        objects = [reader.trailer, *(reader.get_object(IndirectObject(n, 0, reader)) for n in numbers)]
        return any(_has_active(each, 0) for each in objects)
    except (PyPdfError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OSError):
        return True


def _has_active(value: Any, depth: int) -> bool:
    """Look through one object; those that it points at are looked at by themselves."""
    if depth > 50:
        return True
    if isinstance(value, dict):
        # As it is written: looked up in its own way, it follows what it points at.
        inside: dict[Any, Any] = {key: dict.__getitem__(value, key) for key in value}
        # An action says in /S what kind it is of.
        names = {*map(str, value), str(inside.get("/S"))}
        return bool(names & ACTIVE) or any(_has_active(each, depth + 1) for each in inside.values())
    return isinstance(value, list) and any(_has_active(item, depth + 1) for item in value)


def _words_of_pdf() -> Iterator[str]:
    import pypdfium2 as pdfium

    document = _opened(pdfium)
    for index in range(len(document)):
        page = document[index]
        yield page.get_textpage().get_text_bounded() + "\n"
        page.close()


def _words_of_docx() -> Iterator[str]:
    with zipfile.ZipFile(sys.stdin.buffer) as archive:
        names = [name for name in archive.namelist() if _is_text_part(name)]
        for name in sorted(names, key=lambda part: part != "word/document.xml"):
            with archive.open(name) as part:
                yield from _words_of_part(part)


def _is_text_part(name: str) -> bool:
    parts = ("word/document.xml", "word/header", "word/footer", "word/footnotes.xml", "word/endnotes.xml")
    return name.startswith(parts) and name.endswith(".xml")


def _words_of_part(part: Any) -> Iterator[str]:
    for _event, element in _elements(part):
        if element.tag == f"{WORD}t":
            yield element.text or ""
        elif element.tag in {f"{WORD}p", f"{WORD}br"}:
            yield "\n"
        elif element.tag in {f"{WORD}tab", f"{WORD}tc"}:
            yield "\t"
        element.clear()


def _elements(part: Any) -> Iterator[Any]:
    """Read XML piece by piece; what declares entities is not read at all, for they multiply."""
    parser: Any = ElementTree.XMLPullParser(["end"])
    before = b""
    while piece := part.read(1 << 16):
        if b"<!DOCTYPE" in before + piece or b"<!ENTITY" in before + piece:
            raise Stop(DAMAGED)
        before = piece[-16:]
        parser.feed(piece)
        yield from parser.read_events()


def _words_of_xlsx() -> Iterator[str]:
    from openpyxl import load_workbook

    book = load_workbook(sys.stdin.buffer, read_only=True, data_only=True, keep_links=False)
    for sheet in book.worksheets:
        yield f"{sheet.title}\n"
        for row in sheet.iter_rows(values_only=True):
            cells = [str(value) for value in row if value is not None]
            if cells:
                yield "\t".join(cells) + "\n"


def _words_of_txt() -> Iterator[str]:
    raw = sys.stdin.buffer.read(4 * LONGEST_TEXT)
    for encoding in ("utf-8-sig", "utf-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else "cp1251"):
        try:
            yield raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return
    # A text cut in the middle of a sign, or with single signs that are none.
    yield raw.decode("utf-8", errors="replace")


TASKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "picture": picture,
    "pdf": pdf,
    "text": text,
    "office": office,
}


def main() -> None:
    """Do a task, and say with the exit code why where it cannot be done."""
    options = json.loads(sys.argv[2])
    limit(options)
    try:
        facts = TASKS[sys.argv[1]](options)
    except Stop as stop:
        sys.exit(stop.code)
    except MemoryError:
        sys.exit(TOO_LARGE)
    except Exception:  # noqa: BLE001 - whatever it is, the file has done it
        sys.exit(DAMAGED)
    json.dump(facts, sys.stdout)


if __name__ == "__main__":
    main()
