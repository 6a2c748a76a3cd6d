"""How kinds of contents are told apart at a glance."""

from collections.abc import Mapping

# What a file is, by the beginning of what its content says it is.
_ICONS: Mapping[str, str] = {
    "application/pdf": "picture_as_pdf",
    "image/": "image",
    "application/vnd.openxmlformats-officedocument.wordprocessingml": "description",
    "application/msword": "description",
    "application/vnd.oasis.opendocument.text": "description",
    "application/vnd.openxmlformats-officedocument.spreadsheetml": "table",
    "application/vnd.ms-excel": "table",
    "application/vnd.oasis.opendocument.spreadsheet": "table",
    "text/csv": "table",
    "application/vnd.openxmlformats-officedocument.presentationml": "slideshow",
    "application/vnd.ms-powerpoint": "slideshow",
    "application/zip": "folder_zip",
    "video/": "movie",
    "audio/": "music_note",
    "text/": "article",
    "message/": "mail",
}


def icon_of(content_type: str) -> str:
    """Return the icon of a kind of content, a name among the Material Symbols."""
    return next((icon for start, icon in _ICONS.items() if content_type.startswith(start)), "draft")
