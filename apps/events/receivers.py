"""
Where other apps find the decorator for their own `receivers` modules.

    @receiver(DEAL_WON)
    def prepare_invoice(event: Event) -> None: ...
"""

from apps.events.registry import receiver

__all__ = ["receiver"]
