"""What was answered to requests that move money, so that each is carried out once however often it comes."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class IdempotencyKey(models.Model):
    """A request that was carried out, by the key that its program gave it; written together with its effect."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # "POST /api/v1/payments/payments/".
    endpoint = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    # SHA-256 of the body, in hexadecimal digits.
    request_hash = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField()
    response = models.JSONField(null=True)
    etag = models.CharField(max_length=32, blank=True, default="")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), db_index=True)

    class Meta:
        verbose_name = _("request that was carried out")
        verbose_name_plural = _("requests that were carried out")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["owner", "endpoint", "key"], name="idempotency_key_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.key}"
