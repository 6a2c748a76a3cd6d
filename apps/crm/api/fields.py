"""How money is written in the API of the sales side."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.common.api.kept import input_of


class MoneyValue(serializers.Serializer[Any]):
    """An amount in its currency."""

    amount = serializers.DecimalField(max_digits=18, decimal_places=2, min_value=Decimal(0))
    currency = serializers.RegexField("^[A-Z]{3}$")


@extend_schema_field(MoneyValue(allow_null=True))
class MoneyField(serializers.Field[Any, Any, Any, Any]):
    """
    {"amount": "1500.00", "currency": "RUB"} in place of two columns, never a float.

    :param column: the column of the amount; the currency's is "currency"
    """

    def __init__(self, column: str = "amount", **kwargs: Any) -> None:
        self.column = column
        super().__init__(source="*", required=False, allow_null=True, **kwargs)

    def in_sql(self, column: Callable[[str], str]) -> str:
        """Say the same in SQL, for rows that PostgreSQL writes."""
        amount, currency = column(self.column), column("currency")
        value = f"json_build_object('amount', {amount}::text, 'currency', {currency})"
        return f"case when {amount} is not null then {value} end"

    def to_representation(self, row: Any) -> dict[str, str] | None:
        amount = getattr(row, self.column)
        return None if amount is None else {"amount": f"{amount:.2f}", "currency": row.currency}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict) and isinstance(data.get("amount"), float):
            raise serializers.ValidationError({"amount": "A string, not a floating-point number."})
        value = input_of(MoneyValue, data)
        value.is_valid(raise_exception=True)
        return {self.column: value.validated_data["amount"], "currency": value.validated_data["currency"]}

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        if data is None:
            return True, {self.column: None}
        return super().validate_empty_values(data)
