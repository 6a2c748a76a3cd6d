"""Files of 1C as tests need them."""

from collections.abc import Iterable
from typing import Any

OURS = "40702810100000000001"
THEIRS = "40702810900000000077"


def document(number: int | str, amount: str, **values: Any) -> dict[str, str]:
    """Return a payment order that came in, unless `values` say otherwise."""
    return {
        "СекцияДокумент": "Платежное поручение",
        "Номер": str(number),
        "Дата": "02.03.2026",
        "Сумма": amount,
        "ДатаПоступило": "02.03.2026",
        "ПлательщикСчет": THEIRS,
        "Плательщик": "ИНН 7707083893 ООО «Ромашка»",
        "ПлательщикИНН": "7707083893",
        "Плательщик1": "ООО «Ромашка»",
        "ПлательщикБИК": "044525225",
        "ПолучательСчет": OURS,
        "Получатель1": "ООО Артель",
        "НазначениеПлатежа": "Оплата по счету № 2026-17 от 01.03.2026, в т.ч. НДС 20%",
    } | {key: str(value) for key, value in values.items()}


def account(opening: str, closing: str, **values: Any) -> dict[str, str]:
    """Return the section of an account."""
    return {
        "ДатаНачала": "01.03.2026",
        "ДатаКонца": "31.03.2026",
        "РасчСчет": OURS,
        "НачальныйОстаток": opening,
        "КонечныйОстаток": closing,
    } | {key: str(value) for key, value in values.items()}


def onec(
    accounts: Iterable[dict[str, str]],
    documents: Iterable[dict[str, str]],
    *,
    encoding: str = "cp1251",
    says: str = "Windows",
    end: str = "КонецФайла\r\n",
) -> bytes:
    """Return a whole file."""
    lines = ["1CClientBankExchange", "ВерсияФормата=1.03", f"Кодировка={says}", "Отправитель=Банк"]
    for each in accounts:
        lines += ["СекцияРасчСчет", *(f"{key}={value}" for key, value in each.items()), "КонецРасчСчет"]
    for each in documents:
        lines += [*(f"{key}={value}" for key, value in each.items()), "КонецДокумента"]
    return ("\r\n".join(lines) + "\r\n" + end).encode(encoding)
