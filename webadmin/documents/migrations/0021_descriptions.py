"""Descriptions of entities. Every entity of the graph is marked, so that the sweep of the outbox describes it in the background.

The statement is that of the release of the migration, and stays as it is.
"""

import django.db.models.deletion
from django.db import migrations, models

MARK = """
INSERT INTO aegis_outbox (collection_id, kind, key) SELECT collection_id, 'entity', id FROM aegis_graph_entity
ON CONFLICT DO NOTHING"""


class Migration(migrations.Migration):
    dependencies = [("documents", "0020_homes")]

    operations = [
        migrations.CreateModel(
            name="Description",
            fields=[
                ("entity_id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "collection",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="documents.collection",
                    ),
                ),
                ("document_id", models.UUIDField(null=True)),
                ("chunk_id", models.UUIDField(null=True)),
                ("start", models.PositiveIntegerField()),
                ("end", models.PositiveIntegerField()),
                ("evidence", models.IntegerField()),
            ],
            options={"db_table": "aegis_description", "default_permissions": ()},
        ),
        migrations.AddIndex("description", models.Index(fields=["document_id", "chunk_id"], name="aegis_description_source")),
        migrations.RunSQL(MARK, migrations.RunSQL.noop),
    ]
