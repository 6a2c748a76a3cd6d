"""What a content is, whatever it is called: a corpus, and whatever else bytes can be."""

import io
import zipfile

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.kinds import ACTIVE_TYPES, Kind, examine
from tests.documents.corpus import ACTIVE, HARMLESS, REFUSED, SCRIPT, Sample, gif, jpeg_head, packed, pdf, png

# What a page of ours may show within itself.
INLINE = {"application/pdf", "image/png", "image/jpeg", "image/webp", "image/gif", "text/plain"}


def look(sample: Sample) -> Kind:
    return examine(io.BytesIO(sample.data), sample.name, sample.declared_type)


@pytest.mark.parametrize("sample", HARMLESS, ids=lambda sample: sample.name)
def test_what_people_send_is_taken_for_what_it_is(sample: Sample) -> None:
    kind = look(sample)
    assert kind.content_type == sample.content_type
    assert not kind.is_active
    assert kind.label


@pytest.mark.parametrize("sample", ACTIVE, ids=lambda sample: sample.name)
def test_what_would_run_is_known_for_it(sample: Sample) -> None:
    kind = look(sample)
    assert kind.content_type == sample.content_type
    assert kind.flags == sample.flags
    assert kind.is_active


@pytest.mark.parametrize("sample", REFUSED, ids=lambda sample: f"{sample.name}-{sample.code}")
def test_what_lies_or_harms_is_refused_in_words(sample: Sample) -> None:
    with pytest.raises(ValidationError) as refused:
        look(sample)
    assert refused.value.code == sample.code
    assert refused.value.messages[0].endswith((".", ".")), refused.value.messages
    assert "%(" not in refused.value.messages[0]


def judged(data: bytes, name: str) -> str:
    """Return the type of a content, or why it is refused; anything else breaks the test."""
    try:
        return examine(io.BytesIO(data), name).content_type
    except ValidationError as refused:
        return refused.code or ""


def test_too_many_entries(settings: object) -> None:
    settings.UPLOAD_MAX_ENTRIES = 5  # type: ignore[attr-defined]
    inner = packed({f"{number}.txt": "x" for number in range(3)})
    taken = packed({"a.zip": inner})
    assert examine(io.BytesIO(taken), "a.zip").content_type == "application/zip"
    with pytest.raises(ValidationError) as refused:
        examine(io.BytesIO(packed({"a.zip": inner, "b.zip": inner})), "a.zip")
    assert refused.value.code == "archive_too_large"


def test_a_directory_that_lies_about_sizes_unpacks_no_more_than_it_says() -> None:
    honest = packed({"inner.zip": packed({"a.txt": b"a" * 100_000})})
    at = honest.rindex(b"PK\x01\x02")
    lying = honest[: at + 24] + (10).to_bytes(4, "little") + honest[at + 28 :]
    with pytest.raises(ValidationError) as refused:
        examine(io.BytesIO(lying), "a.zip")
    assert refused.value.code == "broken"


@given(
    st.binary(max_size=600), st.sampled_from(["", ".pdf", ".png", ".docx", ".zip", ".txt", ".html", ".doc"])
)
def test_whatever_comes_is_judged_and_nothing_breaks(data: bytes, ending: str) -> None:
    assert judged(data, f"file{ending}")


_MAGIC = [
    pdf(),
    png(),
    jpeg_head(5, 5),
    gif(),
    packed({"a.txt": "a"}),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"RIFF0000WEBP",
]


@given(
    st.sampled_from(_MAGIC),
    st.integers(0, 400),
    st.binary(max_size=200),
    st.sampled_from(["a", "a.pdf", "a.zip"]),
)
def test_what_is_cut_or_goes_on_is_judged_and_nothing_breaks(
    head: bytes, cut: int, tail: bytes, name: str
) -> None:
    assert judged(head[:cut] + tail, name)


@given(
    st.binary(max_size=40),
    st.sampled_from([b"<html>", b"<script>", b"<svg ", b"<!doctype html>", b"<iframe "]),
)
def test_what_begins_as_a_page_is_never_shown_within_one(space: bytes, tag: bytes) -> None:
    """Browsers skip white space and comments before they look."""
    blank = bytes(b" \t\r\n"[byte % 4] for byte in space)
    kind = examine(io.BytesIO(blank + tag + SCRIPT), "file")
    assert kind.is_active
    assert kind.content_type not in INLINE


@given(st.sampled_from([pdf(), png(), gif(), jpeg_head(5, 5)]), st.binary(max_size=60))
def test_an_archive_hidden_behind_another_file_is_found(front: bytes, between: bytes) -> None:
    with pytest.raises(ValidationError) as refused:
        examine(io.BytesIO(front + between + packed({"a.txt": "a"})), "file")
    assert refused.value.code == "polyglot"


def test_only_what_is_known_as_active_is_active_by_its_type() -> None:
    assert not ACTIVE_TYPES & INLINE
    assert {"image/svg+xml", "text/html", "application/xml"} <= ACTIVE_TYPES


def test_the_corpus_is_what_it_says() -> None:
    """An archive that nobody can open would prove nothing."""
    bombs = [
        sample for sample in REFUSED if sample.code in {"archive_bomb", "archive_names", "archive_nested"}
    ]
    assert all(zipfile.is_zipfile(io.BytesIO(sample.data)) for sample in bombs)
    assert len(next(sample for sample in bombs if sample.name == "bomb.zip").data) < 1024 * 1024
