"""What a kind of import consists of: its fields, what they mean, and how a row of them becomes rows of the database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from django.db import models
from django.utils.functional import Promise

if TYPE_CHECKING:
    from apps.crm.imports.loading import Loader


class FieldType(StrEnum):
    """How the text of a cell is understood."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    EMAIL = "email"
    PHONE = "phone"
    TELEGRAM = "telegram"
    DOMAIN = "domain"
    CURRENCY = "currency"
    # A number of either sign, in the digits of the file.
    NUMBER = "number"
    # One of the field's choices, by its name or key.
    CHOICE = "choice"
    # Yes or no.
    FLAG = "flag"
    # The name of another row: a company, an owner, a stage.
    REFERENCE = "reference"
    # Several names, separated by commas.
    REFERENCES = "references"


@dataclass(frozen=True)
class ImportField:
    """
    One thing that a column of a file can be.

    :param aliases: other headers under which files bring it, in any language, lower case
    :param max_length: of the text; of the digits before the decimal mark for a number
    :param maximum: the largest number taken
    :param column: the column of the kind's table that it fills; None where the kind writes it otherwise
    :param cast: what its canonical text is cast to in SQL
    :param matches: a known row can be recognized by it
    :param unique: two rows of one file may not share it
    :param creatable: unknown values may be created while importing, where the person asks for it and may
    :param stands_in: fields of which any makes up for this required one
    :param choices: what there is to choose from, as pairs of a key and a name
    :param custom: the key of the further field that it fills
    :param target: of a further field that refers to rows, the label of their model
    """

    key: str
    label: str | Promise
    type: FieldType = FieldType.TEXT
    aliases: tuple[str, ...] = ()
    required: bool = False
    max_length: int = 200
    maximum: int | None = None
    column: str | None = None
    cast: str = "text"
    matches: bool = False
    unique: bool = False
    creatable: bool = False
    stands_in: tuple[str, ...] = ()
    choices: tuple[tuple[str, str], ...] = ()
    custom: str = ""
    target: str = ""

    @property
    def is_reference(self) -> bool:
        return self.type in {FieldType.REFERENCE, FieldType.REFERENCES}


RowCheck = Callable[[dict[str, str]], "tuple[str, str] | None"]
"""Completes a parsed row in place; returns the field and the code of what is wrong with it as a whole."""


@dataclass(frozen=True)
class ImportKind:
    """
    Something that files are imported as.

    :param match_by: the fields by which rows are recognized unless the person says otherwise, those that are mapped
    :param loader: how its rows are decided and written
    """

    key: str
    label: str | Promise
    model: type[models.Model]
    fields: tuple[ImportField, ...]
    match_by: tuple[str, ...]
    loader: "type[Loader]"
    check: RowCheck | None = None
    by_key: Mapping[str, ImportField] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_key", {each.key: each for each in self.fields})

    def required_missing(self, mapped: set[str]) -> list[ImportField]:
        """List the required fields that no column is mapped to."""
        return [
            each for each in self.fields if each.required and mapped.isdisjoint({each.key, *each.stands_in})
        ]
