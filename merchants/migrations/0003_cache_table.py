"""The table of the shared cache, which counts tries to sign in, with Redis too."""

from django.core.management import call_command
from django.db import migrations

TABLE = "rebound_tts_cache"


def forwards(apps, schema_editor):
    call_command("createcachetable", TABLE, database=schema_editor.connection.alias, verbosity=0)


def backwards(apps, schema_editor):
    schema_editor.execute(f'DROP TABLE IF EXISTS "{TABLE}"')


class Migration(migrations.Migration):
    replaces = [("merchants", "0009_cache_table")]
    dependencies = [("merchants", "0002_audit_is_final")]
    operations = [migrations.RunPython(forwards, backwards)]
