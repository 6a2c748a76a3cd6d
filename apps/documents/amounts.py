"""Amounts as papers say them: exact, in the figures of a language, and in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

from babel.numbers import format_currency, format_decimal, get_currency_name, get_currency_precision
from num2words import num2words

# Papers are written in these; whatever else is asked for reads as English.
LANGUAGES = ("ru", "en")


@dataclass(frozen=True)
class Money:
    """So much of a currency."""

    amount: Decimal
    currency: str


@dataclass(frozen=True)
class Line:
    """
    One line of a paper's table.

    :ivar price: of one unit; None while it is open
    :ivar discount_percent: taken off
    :ivar comes_to: what the line comes to where somebody has reckoned it already, as with a frozen quote
    """

    name: str
    quantity: Decimal
    unit: str = ""
    price: Decimal | None = None
    discount_percent: Decimal = Decimal()
    comes_to: Decimal | None = None

    def amount(self, currency: str) -> Decimal | None:
        """Return what the line comes to, in whole minor units of its currency."""
        if self.comes_to is not None:
            return self.comes_to
        if self.price is None:
            return None
        # Columns hold 18 and 12 digits: their product is exact, and rounded once.
        with localcontext(prec=40):
            kept = (100 - self.discount_percent) / 100
            return rounded(self.price * self.quantity * kept, currency)


@dataclass(frozen=True)
class Totals:
    """
    What a table comes to; prices include the tax.

    :ivar by_rate: pairs of a rate in percent and the tax due of it, where the source of the lines tells them
    """

    total: Decimal
    tax: Decimal
    net: Decimal
    by_rate: tuple[tuple[Decimal, Decimal], ...] | None = None


def rounded(amount: Decimal, currency: str) -> Decimal:
    """Round to the minor units of a currency, half a unit up, as accountants do."""
    return amount.quantize(Decimal(1).scaleb(-get_currency_precision(currency)), ROUND_HALF_UP)


def totals_of(amounts: Sequence[Decimal], currency: str, *, tax_percent: Decimal | None) -> Totals:
    """
    Sum the lines of a table up.

    The tax is taken out of the whole, once, so that lines never disagree with it by a kopeck.

    :param tax_percent: None where no tax is due
    """
    total = rounded(sum(amounts, Decimal()), currency)
    rate = tax_percent or Decimal()
    tax = rounded(total * rate / (100 + rate), currency)
    return Totals(total=total, tax=tax, net=total - tax)


def money_text(amount: Decimal, currency: str, language: str) -> str:
    """Write an amount in figures, with its currency."""
    text = str(format_currency(rounded(amount, currency), currency, locale=_known(language)))
    # English has no sign for most currencies, and writes their code without a space.
    return (
        text.replace(currency, f"{currency}\u00a0") if text.startswith((currency, f"-{currency}")) else text
    )


def figure_text(amount: Decimal, currency: str, language: str) -> str:
    """Write an amount in figures without its currency, which the head of a column names."""
    places = get_currency_precision(currency)
    pattern = "#,##0." + "0" * places if places else "#,##0"
    return str(format_decimal(rounded(amount, currency), pattern, locale=_known(language)))


def quantity_text(quantity: Decimal, language: str) -> str:
    """Write a quantity with no more places than it has."""
    return str(format_decimal(quantity, "#,##0.######", locale=_known(language)))


def percent_text(percent: Decimal, language: str) -> str:
    """Write a rate: "22 %" or "22%", as the language has it."""
    return str(format_decimal(percent, "#,##0.###", locale=_known(language))) + (
        "\u00a0%" if language == "ru" else "%"
    )


@dataclass(frozen=True)
class _Unit:
    """
    A currency's unit in a language: one, a few (2 to 4 in Russian), many.

    :ivar gender: of the whole unit, as num2words calls it
    :ivar minor: the same forms of its hundredth
    """

    major: tuple[str, str, str]
    minor: tuple[str, str, str]
    gender: str = "m"


_UNITS: dict[str, dict[str, _Unit]] = {
    "ru": {
        "RUB": _Unit(("рубль", "рубля", "рублей"), ("копейка", "копейки", "копеек")),
        "BYN": _Unit(
            ("белорусский рубль", "белорусских рубля", "белорусских рублей"),
            ("копейка", "копейки", "копеек"),
        ),
        "USD": _Unit(("доллар США", "доллара США", "долларов США"), ("цент", "цента", "центов")),
        "EUR": _Unit(("евро", "евро", "евро"), ("евроцент", "евроцента", "евроцентов")),
        "GBP": _Unit(
            ("фунт стерлингов", "фунта стерлингов", "фунтов стерлингов"), ("пенс", "пенса", "пенсов")
        ),
        "CNY": _Unit(("китайский юань", "китайских юаня", "китайских юаней"), ("фэнь", "фэня", "фэней")),
        "KZT": _Unit(("тенге", "тенге", "тенге"), ("тиын", "тиына", "тиынов")),
        "UAH": _Unit(("гривна", "гривны", "гривен"), ("копейка", "копейки", "копеек"), "f"),
        "TRY": _Unit(("турецкая лира", "турецкие лиры", "турецких лир"), ("куруш", "куруша", "курушей"), "f"),
    },
    "en": {
        "RUB": _Unit(("ruble", "rubles", "rubles"), ("kopeck", "kopecks", "kopecks")),
        "USD": _Unit(("US dollar", "US dollars", "US dollars"), ("cent", "cents", "cents")),
        "EUR": _Unit(("euro", "euros", "euros"), ("cent", "cents", "cents")),
        "GBP": _Unit(("pound sterling", "pounds sterling", "pounds sterling"), ("penny", "pence", "pence")),
    },
}


def amount_in_words(amount: Decimal, currency: str, language: str) -> str:
    """
    Write an amount out: "две тысячи рублей 01 копейка", "two thousand rubles and 01 kopeck".

    The whole is in words, the rest in figures, as banks and tax offices want it.
    """
    language = _known(language)
    exact = rounded(amount, currency)
    places = get_currency_precision(currency)
    whole, rest = divmod(int(abs(exact).scaleb(places)), 10**places)
    unit = _UNITS[language].get(currency)
    gender = {"gender": unit.gender} if unit and language == "ru" else {}
    words = num2words(whole, lang=language, **gender)
    sign = "" if exact >= 0 else "минус " if language == "ru" else "minus "
    name = unit.major[_form(whole, language)] if unit else _name_of(currency, whole, language)
    text = f"{sign}{words} {name}"
    if not places:
        return text
    if unit is None:
        return f"{text} {rest:0{places}}/{10**places}"
    joined = " " if language == "ru" else " and "
    return f"{text}{joined}{rest:0{places}} {unit.minor[_form(rest, language)]}"


def _form(count: int, language: str) -> int:
    """Return which form of a noun follows a number: one, few, many."""
    if language != "ru":
        return 0 if count == 1 else 1
    tens, ones = count % 100, count % 10
    if ones == 1 and tens != 11:
        return 0
    return 1 if 2 <= ones <= 4 and not 12 <= tens <= 14 else 2


def _name_of(currency: str, count: int, language: str) -> str:
    # The words before it must agree with its gender, which only the table above knows.
    return currency if language == "ru" else str(get_currency_name(currency, count=count, locale=language))


def _known(language: str) -> str:
    """Return the language that papers are written in for one that somebody asks for."""
    code = language.split("-")[0].split("_")[0]
    return code if code in LANGUAGES else "en"
