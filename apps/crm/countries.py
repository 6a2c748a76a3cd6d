"""Which country somebody means by what they wrote: a code, or its name in the languages that people write in."""

from functools import cache

# The languages in which names of countries are understood, besides the country's own.
_LANGUAGES = ("en", "ru", "de", "fr", "es", "pl", "uk", "be", "sr", "et")

# As they are written more often than by their names.
_ALSO = {
    "рф": "RU",
    "сша": "US",
    "usa": "US",
    "united states": "US",
    "united states of america": "US",
    "uk": "GB",
    "england": "GB",
}


def country_code(name: str) -> str:
    """Return the code of a country (ISO 3166, "RU") for its code or name; empty where nobody knows such a one."""
    text = " ".join(name.split()).casefold()
    return _codes().get(text, "") if text else ""


@cache
def _codes() -> dict[str, str]:
    # The tables of names are read when the first is asked for.
    from babel import Locale  # noqa: PLC0415

    found: dict[str, str] = {}
    for language in _LANGUAGES:
        for code, name in Locale(language).territories.items():
            # Numbers are those of continents.
            if len(code) == 2 and code.isalpha():
                found.setdefault(name.casefold(), code)
                found[code.casefold()] = code
    return found | _ALSO
