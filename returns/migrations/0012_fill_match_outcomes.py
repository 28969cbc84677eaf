"""What returns that came to rest before the column was there were decided as, in batches that hold no lock for long."""

from django.db import migrations
from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

A_BATCH = 5000


def fill(apps, schema_editor):
    returns = apps.get_model("returns", "TikTokReturn").objects.using(schema_editor.connection.alias)
    matches = apps.get_model("matching", "Match").objects.using(schema_editor.connection.alias)
    shops = apps.get_model("merchants", "Shop").objects.using(schema_editor.connection.alias)
    decided = matches.filter(
        merchant=OuterRef("merchant"), shop=OuterRef("shop"), return_id=OuterRef("return_id"), superseded_at=None
    )
    origin = shops.filter(pk=OuterRef("shop")).values("platform_origin")
    last = 0
    while keys := list(returns.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:A_BATCH]):
        last = keys[-1]
        returns.filter(pk__gte=keys[0], pk__lte=last).update(
            match_outcome=Coalesce(Subquery(decided.values("outcome")[:1]), Value("")),
            platform_origin=Coalesce(Subquery(origin[:1]), Value("")),
        )


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("matching", "0012_orders_of_a_source"),
        ("returns", "0011_match_outcome_on_returns"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
