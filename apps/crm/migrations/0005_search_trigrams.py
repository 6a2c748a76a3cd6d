"""What the lists of products and imports are searched by."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("crm", "0004_list_orders")]

    operations = [
        AddIndexConcurrently(
            "product", GinIndex(OpClass(Upper("sku"), name="gin_trgm_ops"), name="product_sku_trgm")
        ),
        AddIndexConcurrently(
            "importbatch",
            GinIndex(OpClass(Upper("filename"), name="gin_trgm_ops"), name="import_filename_trgm"),
        ),
    ]
