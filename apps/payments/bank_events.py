"""The facts of rates and bank statements."""

from apps.events.services import Fact

RATES_PUBLISHED = Fact("payments.exchange_rate.published.v1")
RATE_WRITTEN = Fact("payments.exchange_rate.written.v1")
STATEMENT_IMPORTED = Fact("payments.statement_file.imported.v1")
STATEMENT_UNDONE = Fact("payments.statement_file.undone.v1")
LINE_SET_ASIDE = Fact("payments.bank_line.set_aside.v1")
LINE_PUT_BACK = Fact("payments.bank_line.put_back.v1")
LINE_MATCHED = Fact("payments.bank_line.matched.v1")
LINE_UNMATCHED = Fact("payments.bank_line.unmatched.v1")
