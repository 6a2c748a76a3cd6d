"""Files of camt.053 as tests need them."""

from collections.abc import Iterable

ACCOUNT = "NL26VAYB8060476890"


def entry(
    amount: str,
    *,
    mark: str = "CRDT",
    currency: str = "EUR",
    day: str = "2026-03-02",
    purpose: str = "",
    name: str = "",
) -> str:
    """Return an entry that was booked."""
    side = "Dbtr" if mark == "CRDT" else "Cdtr"
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{mark}</CdtDbtInd><Sts>BOOK</Sts>'
        f"<BookgDt><Dt>{day}</Dt></BookgDt><NtryDtls><TxDtls><RltdPties><{side}><Nm>{name}</Nm></{side}></RltdPties>"
        f"<RmtInf><Ustrd>{purpose}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
    )


def camt(
    entries: Iterable[str],
    *,
    account: str = ACCOUNT,
    opening: int | None = None,
    closing: int = 0,
    number: str = "1",
) -> bytes:
    """Return a whole file; balances in minor units, none where the opening one is None."""
    balances = ""
    if opening is not None:
        for code, minor in (("OPBD", opening), ("CLBD", closing)):
            balances += (
                f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
                f'<Amt Ccy="EUR">{abs(minor) // 100}.{abs(minor) % 100:02}</Amt>'
                f"<CdtDbtInd>{'CRDT' if minor >= 0 else 'DBIT'}</CdtDbtInd></Bal>"
            )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02">'
        f"<BkToCstmrStmt><Stmt><Id>{number}</Id><Acct><Id><IBAN>{account}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{balances}{''.join(entries)}</Stmt></BkToCstmrStmt></Document>"
    ).encode()
