"""How a collection's vectors are kept, which embedder fills it, and the embeddings themselves, kept for rebuilds."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0009_llm_usage")]

    operations = [
        migrations.AddField("collection", "vectors", models.JSONField(blank=True, db_default={}, verbose_name="vector settings")),
        migrations.AddField("collection", "embedder", models.JSONField(blank=True, null=True)),
        migrations.CreateModel(
            name="KeptEmbedding",
            fields=[
                (
                    "chunk",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="documents.chunk",
                    ),
                ),
                ("packed", models.BinaryField()),
            ],
            options={"db_table": "aegis_embedding"},
        ),
        # Floats do not compress: the attempt would cost CPU for each row that is moved out of line.
        migrations.RunSQL(
            "ALTER TABLE aegis_embedding ALTER COLUMN packed SET STORAGE EXTERNAL",
            "ALTER TABLE aegis_embedding ALTER COLUMN packed SET STORAGE EXTENDED",
        ),
    ]
