"""What money is: rates, our accounts with banks, and what their files say."""

from apps.payments.models.bank import BankAccount, BankLine, BankStatement, StatementFile
from apps.payments.models.rates import ExchangeRate, Provider, RateSource

__all__ = [
    "BankAccount",
    "BankLine",
    "BankStatement",
    "ExchangeRate",
    "Provider",
    "RateSource",
    "StatementFile",
]
