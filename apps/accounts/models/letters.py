"""Letters that are still to be sent."""

from django.db import models


class Letter(models.Model):
    """A letter that waits for the mail server; it is gone once that has taken it, or when nobody needs it any more."""

    # What it is about ("account/email/login_code"), for whoever looks why nothing arrives.
    kind = models.CharField(max_length=100)
    recipient = models.EmailField()
    # Subject and texts, encrypted: a code or a link in there opens an account.
    sealed = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    # A worker that takes it sets this ahead, so that another one takes over where the first was killed.
    due_at = models.DateTimeField(db_index=True)
    expires_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.kind} to {self.recipient}"
