"""PostgreSQL learns that a shop's returns are of one merchant.

Taking the two for independent, it expected a twentieth of a shop's returns among those of its own merchant's staff, and
read all of them to show the first page.
"""

from typing import Any

from django.db import migrations

NAME = "returns_shop_tells_merchant"


def add(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"CREATE STATISTICS IF NOT EXISTS {NAME} (dependencies) ON shop_id, merchant_id FROM returns_tiktokreturn"
        )


def remove(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP STATISTICS IF EXISTS {NAME}")


class Migration(migrations.Migration):
    replaces = [("returns", "0020_a_shop_tells_its_merchant")]
    dependencies = [("returns", "0001_first_release")]
    operations = [migrations.RunPython(add, remove)]
