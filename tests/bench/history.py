"""What history costs a bulk update of 20,000 deals, against the same statement on the same table without it."""

import time

from tests.bench.harness import Bench, at_most, own_services, run

DEALS = 20_000


def main() -> int:
    from django.db import connection, transaction
    from django.db.models import F

    from apps.accounts.models import User
    from apps.crm.models import Deal, Stage
    from apps.history.context import Face, Work, change_set
    from apps.history.models import Change, ChangeSet

    owner = User.objects.create_user("bench@example.org", name="Bench")
    stage = Stage.objects.filter(kind=Stage.Kind.OPEN).order_by("pk").first()
    assert stage is not None
    Deal.objects.bulk_create(
        (
            Deal(
                title=f"Desks and chairs for office number {n}",
                pipeline_id=stage.pipeline_id,
                stage=stage,
                owner=owner,
                amount=n,
                currency="RUB",
            )
            for n in range(DEALS)
        ),
        batch_size=1000,
    )

    def update() -> float:
        started_at = time.perf_counter()
        with change_set(Work(Face.JOB, actor_id=owner.pk, label="Bench")), transaction.atomic():
            changed = Deal.objects.update(
                amount=F("amount") + 1, next_step="call", probability=40, version=F("version") + 1
            )
        seconds = time.perf_counter() - started_at
        assert changed == DEALS
        return seconds

    def switched(how: str) -> None:
        with connection.cursor() as cursor:
            for event in ("insert", "update", "delete"):
                cursor.execute(f"alter table crm_deal {how} trigger history_{event}")

    def plain() -> float:
        switched("disable")
        try:
            return update()
        finally:
            switched("enable")

    def clean() -> None:
        """Dead rows of the round before must not burden the next one."""
        Deal.objects.update(probability=0, next_step="")
        with connection.cursor() as cursor:
            cursor.execute("truncate history_change, history_creation")
            cursor.execute("vacuum (analyze) crm_deal")
            cursor.execute("checkpoint")

    def same_work() -> None:
        assert Deal.objects.filter(probability=40, next_step="call").count() == DEALS
        assert Change.objects.filter(model="crm.deal", op="U").count() == DEALS
        assert ChangeSet.objects.filter(label="Bench", actor=owner).exists()

    return run(
        Bench(
            name="history",
            claim=f"bulk update of {DEALS:,} deals with history against one without",
            limit=plain,
            ours=update,
            same_work=same_work,
            before_each=clean,
            goal=at_most(4.0),
        )
    )


if __name__ == "__main__":
    with own_services():
        raise SystemExit(main())
