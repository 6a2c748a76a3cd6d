"""Holding the storage against the database: what is missing, changed, or belongs to nothing; and mending what is safe."""

import logging
from collections import Counter
from datetime import timedelta
from time import monotonic

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.rows import refusals
from apps.documents import integrity
from apps.documents.integrity import Check, Found
from apps.documents.models import IntegrityFinding, IntegrityRun
from apps.documents.sending import send_integrity_run

logger = logging.getLogger(__name__)

# One that has not come a step further for so long has died with its worker.
DEAD_AFTER = timedelta(minutes=30)
_TOLD_EVERY_SECONDS = 1.0


def request_run(*, actor: User, is_deep: bool = False, mends: bool = False) -> IntegrityRun:
    """
    Have what is kept checked by a worker.

    :param is_deep: reads every content through
    :param mends: puts right what can be put right without losing anything
    :raises PermissionDenied: the actor may not
    :raises ValidationError: a check is under way already ("integrity_running")
    """
    access.require(actor, "mend", IntegrityRun)
    with transaction.atomic():
        run = _begin(is_deep=is_deep, mends=mends)
        send_integrity_run(run.pk)
    return run


def verify(*, is_deep: bool = False, mends: bool = False) -> IntegrityRun:
    """
    Check what is kept here and now, for the system itself.

    :raises ValidationError: a check is under way already ("integrity_running")
    """
    return carry_out(_begin(is_deep=is_deep, mends=mends).pk)


def verify_nightly() -> int:
    """Check what is kept, and forget checks of long ago; return how much is wrong."""
    before = timezone.now() - timedelta(days=settings.INTEGRITY_RETENTION_DAYS)
    IntegrityRun.objects.filter(finished_at__lt=before).delete()
    try:
        run = verify()
    except ValidationError:
        # Somebody has one made just now.
        return 0
    remaining = run.findings.filter(mended_at=None).count()
    if remaining:
        logger.warning("verify_documents: %s findings, see run %s", remaining, run.pk)
    return remaining


@transaction.atomic
def _begin(*, is_deep: bool, mends: bool) -> IntegrityRun:
    dead = IntegrityRun.objects.filter(finished_at=None, advanced_at__lt=timezone.now() - DEAD_AFTER)
    dead.update(finished_at=timezone.now(), fault=_("It was broken off."))
    run = IntegrityRun(is_deep=is_deep, mends=mends)
    try:
        with refusals():
            run.save(force_insert=True)
    except ValidationError as error:
        raise ValidationError(_("A check is under way already."), code="integrity_running") from error
    return run


def carry_out(run_id: int) -> IntegrityRun:
    """Make a check that was begun. Call this outside of transactions."""
    run = IntegrityRun.objects.get(pk=run_id)
    if run.finished_at is not None:
        return run
    look = _Look(run)
    faults = [check.key for check in integrity.checks() if not _is_done(check, look)]
    look.tell()
    if faults:
        run.fault = (_("These could not be looked at: %(checks)s.") % {"checks": ", ".join(faults)})[:500]
    run.finished_at = timezone.now()
    run.save(update_fields=["fault", "finished_at"])
    return run


class _Look:
    """What a check is told, and how far it tells that it has come."""

    def __init__(self, run: IntegrityRun) -> None:
        self.run, self.is_deep = run, run.is_deep
        self._counted: Counter[str] = Counter()
        self._told_at = monotonic()

    def count(self, what: str, number: int = 1) -> None:
        self._counted[what] += number
        if monotonic() - self._told_at > _TOLD_EVERY_SECONDS:
            self.tell()

    def tell(self) -> None:
        self.run.checked, self.run.advanced_at = dict(self._counted), timezone.now()
        self.run.save(update_fields=["checked", "advanced_at"])
        self._told_at = monotonic()


def _is_done(check: Check, look: _Look) -> bool:
    """Look at one thing; what goes wrong with that keeps nobody from looking at the others."""
    try:
        for found in check.find(look):
            _record(found, look.run)
    except Exception:
        logger.exception("verify_documents: %s could not be looked at", check.key)
        return False
    return True


def _record(found: Found, run: IntegrityRun) -> None:
    finding, _is_new = IntegrityFinding.objects.get_or_create(
        run=run, kind=found.kind, subject=found.subject[:300], defaults={"facts": dict(found.facts)}
    )
    wrong = integrity.kind_of(found.kind)
    if run.mends and wrong is not None and wrong.mend is not None and wrong.mend(found.subject):
        finding.mended_at = timezone.now()
        finding.save(update_fields=["mended_at"])


def words_of(finding: IntegrityFinding) -> str:
    """Say in one sentence what is wrong."""
    wrong = integrity.kind_of(finding.kind)
    if wrong is None:
        return str(finding)
    return str(wrong.sentence) % {"subject": finding.subject, **finding.facts}
