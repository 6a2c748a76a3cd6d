"""The facts of money, and the one place that says what each tells."""

from apps.payments.bank_events import (  # noqa: F401 - facts of this app
    LINE_PUT_BACK,
    LINE_SET_ASIDE,
    RATE_WRITTEN,
    RATES_PUBLISHED,
    STATEMENT_IMPORTED,
    STATEMENT_UNDONE,
)
