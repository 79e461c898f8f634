"""How many requests a language-model server works on at once, and the answers that tell it."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("documents", "0009_llm_usage")]

    operations = [
        migrations.AddField("lease", "in_flight", models.PositiveIntegerField(null=True)),
        migrations.CreateModel(
            name="Concurrency",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("resource", models.CharField(max_length=32)),
                ("server", models.CharField(max_length=300)),
                ("value", models.PositiveIntegerField()),
                ("since", models.DateTimeField()),
                ("due", models.PositiveIntegerField()),
                ("state", models.JSONField(db_default={})),
                ("version", models.BigIntegerField(db_default=0)),
                ("decided_at", models.DateTimeField(db_default=Now())),
                ("progress_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "aegis_concurrency",
                "constraints": [models.UniqueConstraint(fields=["resource", "server"], name="aegis_concurrency_server")],
            },
        ),
        migrations.CreateModel(
            name="Answer",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("resource", models.CharField(max_length=32)),
                ("server", models.CharField(max_length=300)),
                ("in_flight", models.PositiveIntegerField()),
                ("granted_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
                ("waited", models.FloatField(null=True)),
                ("served", models.FloatField(null=True)),
                ("tokens", models.PositiveIntegerField(db_default=0)),
            ],
            options={
                "db_table": "aegis_answer",
                "indexes": [models.Index(fields=["resource", "server", "ended_at"], name="aegis_answer_recent")],
            },
        ),
    ]
