import django.core.serializers.json
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=100, verbose_name="kind")),
                ("title", models.CharField(max_length=200, verbose_name="title")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("QUEUED", "waiting"),
                            ("RUNNING", "running"),
                            ("SUCCEEDED", "done"),
                            ("FAILED", "failed"),
                            ("CANCELLED", "cancelled"),
                        ],
                        default="QUEUED",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "params",
                    models.JSONField(
                        default=dict,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="parameters",
                    ),
                ),
                (
                    "checkpoint",
                    models.JSONField(
                        default=dict,
                        editable=False,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="checkpoint",
                    ),
                ),
                ("done", models.BigIntegerField(default=0, verbose_name="done")),
                ("done_committed", models.BigIntegerField(default=0, editable=False)),
                ("total", models.BigIntegerField(null=True, verbose_name="of")),
                ("message", models.CharField(blank=True, default="", max_length=500, verbose_name="message")),
                (
                    "result",
                    models.JSONField(
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="result",
                    ),
                ),
                ("error", models.JSONField(null=True, verbose_name="error")),
                ("attempt", models.PositiveIntegerField(default=0, verbose_name="attempt")),
                ("lost_attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("lease_until", models.DateTimeField(editable=False, null=True)),
                ("cancel_requested_at", models.DateTimeField(editable=False, null=True)),
                ("eta_at", models.DateTimeField(editable=False, null=True)),
                ("seq", models.BigIntegerField(default=0, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="created"
                    ),
                ),
                ("started_at", models.DateTimeField(editable=False, null=True, verbose_name="started")),
                ("finished_at", models.DateTimeField(editable=False, null=True, verbose_name="finished")),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="jobs",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="started by",
                    ),
                ),
            ],
            options={
                "verbose_name": "job",
                "verbose_name_plural": "jobs",
                "permissions": [("cancel_job", "Can cancel a job"), ("retry_job", "Can retry a job")],
                "default_permissions": ("view",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["SUCCEEDED", "FAILED", "CANCELLED"]),
                            ("finished_at", None),
                            _connector="XOR",
                        ),
                        name="job_final_has_finished_at",
                    )
                ],
                "indexes": [
                    models.Index(fields=["owner", "-id"], name="job_owner_latest"),
                    models.Index(
                        condition=models.Q(("state__in", ["QUEUED", "RUNNING"])),
                        fields=["lease_until"],
                        name="job_unfinished",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="JobEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("seq", models.BigIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[("STATE", "state"), ("PROGRESS", "progress"), ("LOG", "log")], max_length=8
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("data", models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="events", to="jobs.job"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("job", "seq"), name="job_event_seq_unique")]
            },
        ),
    ]
