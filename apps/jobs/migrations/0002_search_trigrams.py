"""What the list of jobs is searched by."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently, TrigramExtension
from django.db import migrations
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("jobs", "0001_initial")]

    operations = [
        TrigramExtension(),
        AddIndexConcurrently(
            "job", GinIndex(OpClass(Upper("title"), name="gin_trgm_ops"), name="job_title_trgm")
        ),
    ]
