"""Tokens of a language model that is paid for, by month."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0008_chunk_since")]

    operations = [
        migrations.CreateModel(
            name="LlmUsage",
            fields=[
                ("month", models.DateField(primary_key=True, serialize=False)),
                ("tokens", models.BigIntegerField(db_default=0)),
                ("prompt_tokens", models.BigIntegerField(db_default=0)),
                ("completion_tokens", models.BigIntegerField(db_default=0)),
                ("requests", models.BigIntegerField(db_default=0)),
            ],
            options={"db_table": "aegis_llm_usage"},
        ),
    ]
