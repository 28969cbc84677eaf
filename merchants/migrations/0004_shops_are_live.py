"""Shops that were set up before there was a wizard are live, and stay so."""

from django.db import migrations
from django.db.models import F


def put_live(apps, schema_editor):
    started = F("created_at")
    apps.get_model("merchants", "Shop").objects.filter(live_at__isnull=True).update(
        live_at=started, matching_chosen_at=started, checklist_confirmed_at=started
    )


class Migration(migrations.Migration):

    dependencies = [
        ("merchants", "0003_install_wizard"),
    ]

    operations = [migrations.RunPython(put_live, migrations.RunPython.noop)]
