"""
What the QR codes on invoices hold, so that a bank's app fills the transfer in by itself.

ST00012 (GOST R 56042-2014, in UTF-8) for roubles, EPC069-12 for euros into an IBAN. No Django.
"""

from dataclasses import dataclass
from decimal import Decimal

from stdnum import bic, iban

# The standard's own limits, in characters.
_NAME, _PURPOSE = 160, 210
_EPC_NAME, _EPC_TEXT = 70, 140
_LARGEST_EPC = Decimal("999999999.99")


@dataclass(frozen=True)
class Transfer:
    """
    A transfer that is asked for.

    :ivar account: of who is paid: twenty digits, or an IBAN
    :ivar bank_code: of their bank: nine digits, or a BIC
    """

    name: str
    account: str
    bank_name: str
    bank_code: str
    correspondent_account: str
    tax_id: str
    amount: Decimal
    currency: str
    purpose: str


def content_of(transfer: Transfer) -> str:
    """Return what the code holds; empty where no bank could make anything of it."""
    if transfer.currency == "RUB":
        return _st00012(transfer)
    if transfer.currency == "EUR":
        return _epc(transfer)
    return ""


def _st00012(of: Transfer) -> str:
    account, code = _digits(of.account), _digits(of.bank_code)
    if len(account) != 20 or len(code) != 9 or not of.name or not of.bank_name:
        return ""
    correspondent = _digits(of.correspondent_account)
    fields = {
        "Name": of.name[:_NAME],
        "PersonalAcc": account,
        "BankName": of.bank_name,
        "BIC": code,
        # Who has none says so by a zero.
        "CorrespAcc": correspondent if len(correspondent) == 20 else "0",
        "Sum": str(int(of.amount * 100)),
        "Purpose": of.purpose[:_PURPOSE],
        "PayeeINN": _digits(of.tax_id.split("/")[0]),
    }
    said = [f"{name}={_plain(value)}" for name, value in fields.items() if value]
    return "|".join(["ST00012", *said])


def _epc(of: Transfer) -> str:
    account, code = of.account.replace(" ", ""), of.bank_code.replace(" ", "")
    if not iban.is_valid(account) or not of.name or not 0 < of.amount <= _LARGEST_EPC:
        return ""
    lines = [
        *("BCD", "002", "1", "SCT"),
        code if bic.is_valid(code) else "",
        _line(of.name, _EPC_NAME),
        account.upper(),
        f"EUR{of.amount:.2f}",
        *("", ""),
        _line(of.purpose, _EPC_TEXT),
    ]
    return "\n".join(lines)


def _digits(text: str) -> str:
    return "".join(each for each in text if each in "0123456789")


def _plain(text: str) -> str:
    """Return a value without what ends it."""
    return " ".join(text.replace("|", " ").split())


def _line(text: str, most: int) -> str:
    return " ".join(text.split())[:most].strip()
