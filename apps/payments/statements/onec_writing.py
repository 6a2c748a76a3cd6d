"""Payments as a file of the 1C client-bank exchange, which 1C takes in as it takes the file of a bank. No Django here."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True)
class Paid:
    """
    Money that came.

    :ivar amount: above zero came, below zero went back
    """

    number: str
    day: date
    amount: Decimal
    payer: str
    payer_tax_id: str
    purpose: str


@dataclass(frozen=True)
class Holder:
    """Whose account it came to."""

    name: str
    tax_id: str
    account: str
    bank_name: str = ""
    bank_code: str = ""


def write(
    holder: Holder, paid: Iterable[Paid], *, first: date, last: date, opening: Decimal, made_at: datetime
) -> bytes:
    """Return the file, in windows-1251 as 1C expects it; what has no place there becomes a question mark."""
    rows = list(paid)
    came = sum((row.amount for row in rows if row.amount > 0), Decimal())
    went = -sum((row.amount for row in rows if row.amount < 0), Decimal())
    lines = [
        "1CClientBankExchange",
        "ВерсияФормата=1.03",
        "Кодировка=Windows",
        "Отправитель=Artel",
        "Получатель=1С:Предприятие",
        f"ДатаСоздания={made_at:%d.%m.%Y}",
        f"ВремяСоздания={made_at:%H:%M:%S}",
        f"ДатаНачала={first:%d.%m.%Y}",
        f"ДатаКонца={last:%d.%m.%Y}",
        f"РасчСчет={_plain(holder.account)}",
        "СекцияРасчСчет",
        f"ДатаНачала={first:%d.%m.%Y}",
        f"ДатаКонца={last:%d.%m.%Y}",
        f"РасчСчет={_plain(holder.account)}",
        f"НачальныйОстаток={opening:.2f}",
        f"ВсегоПоступило={came:.2f}",
        f"ВсегоСписано={went:.2f}",
        f"КонечныйОстаток={opening + came - went:.2f}",
        "КонецРасчСчет",
    ]
    for row in rows:
        lines += _document(holder, row)
    lines.append("КонецФайла")
    return ("\r\n".join(lines) + "\r\n").encode("cp1251", errors="replace")


def _document(holder: Holder, row: Paid) -> list[str]:
    theirs = {"": row.payer, "ИНН": row.payer_tax_id, "Счет": ""}
    ours = {"": holder.name, "ИНН": holder.tax_id, "Счет": holder.account}
    payer, payee = (theirs, ours) if row.amount > 0 else (ours, theirs)
    day = "ДатаПоступило" if row.amount > 0 else "ДатаСписано"
    return [
        "СекцияДокумент=Платежное поручение",
        f"Номер={_plain(row.number)}",
        f"Дата={row.day:%d.%m.%Y}",
        f"Сумма={abs(row.amount):.2f}",
        f"{day}={row.day:%d.%m.%Y}",
        *(f"Плательщик{name}={_plain(value)}" for name, value in payer.items()),
        *(f"Получатель{name}={_plain(value)}" for name, value in payee.items()),
        f"НазначениеПлатежа={_plain(row.purpose)}",
        "КонецДокумента",
    ]


def _plain(value: str) -> str:
    """Return a value as one line: what follows a line break would be a key of its own."""
    return " ".join(value.split())
