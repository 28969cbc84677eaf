"""The first release: figures and the passes of retention."""

from django.db import migrations, models


class Migration(migrations.Migration):
    # What there was of it before the first release: a database that has all of these has this one.
    replaces = [
        ("ops", "0001_tallies_and_heartbeats"),
        ("ops", "0002_retention_passes"),
    ]

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("worker", models.CharField(help_text="Host and process.", max_length=200, unique=True)),
                ("beat_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="RetentionPass",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rule", models.CharField(max_length=60, unique=True)),
                ("after_key", models.BigIntegerField(default=0, help_text="Rows up to this key were looked at.")),
                (
                    "rested_at",
                    models.DateTimeField(
                        blank=True, help_text="When the pass ended; none while it goes on.", null=True
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "retention passes",
            },
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80)),
                ("labels", models.CharField(max_length=500)),
                ("value", models.FloatField()),
            ],
            options={
                "verbose_name_plural": "tallies",
                "constraints": [models.UniqueConstraint(fields=("name", "labels"), name="one_tally_a_name_and_labels")],
            },
        ),
    ]
