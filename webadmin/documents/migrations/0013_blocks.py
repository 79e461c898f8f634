"""Blocking keys as rows, read up to a limit; which keys are crowded; and by which rules a name was compared.

The keys are computed anew, because they now carry what must agree for any decision. Backwards, the arrays stay empty: the older
version does not compare the names that are there with those that come.
"""

import django.db.models.deletion
from django.db import migrations, models

from aegis_assets.pipeline.blocking import blocks

BATCH = 10_000
NAMES = """
SELECT id, collection_id, type, normalised FROM aegis_entity WHERE %(after)s::uuid IS NULL OR id > %(after)s
ORDER BY id LIMIT %(batch)s"""
COPY = "COPY aegis_entity_block (collection_id, key, entity_id) FROM STDIN"
# By the database, so that the rows go whoever deletes an entity.
FOREIGN_KEY = """
ALTER TABLE aegis_entity_block ADD CONSTRAINT aegis_entity_block_entity_fk
FOREIGN KEY (entity_id) REFERENCES aegis_entity (id) ON DELETE CASCADE"""
# Any key that the two share: where it is crowded and another is not, dissolving it chooses the other.
BLOCK_OF_MERGE = """
UPDATE aegis_merge m SET block = coalesce((
    SELECT min(l.key) FROM aegis_entity_block l JOIN aegis_entity_block r ON r.entity_id = m.right_id AND r.key = l.key
    WHERE l.entity_id = m.left_id), '')
WHERE m.reason IN ('exact', 'fuzzy', 'embedding')"""


def fill(apps, schema_editor):
    after = None
    with schema_editor.connection.cursor() as cursor:
        while names := cursor.execute(NAMES, {"after": after, "batch": BATCH}).fetchall():
            with cursor.copy(COPY) as copy:
                for entity, collection, _, normalised in names:
                    for key in set(blocks(normalised)):
                        copy.write_row((collection, key, entity))
            after = names[-1][0]
        cursor.execute("ANALYZE aegis_entity_block")


class Migration(migrations.Migration):
    dependencies = [("documents", "0012_graph_rows")]

    operations = [
        migrations.AddField("entity", "resolved", models.CharField(db_default="", max_length=64)),
        migrations.AddField(
            "merge", "block", models.CharField(db_collation="C", db_default="", editable=False, max_length=128)
        ),
        migrations.CreateModel(
            name="CrowdedBlock",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "collection_id", "key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "collection",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="documents.collection",
                    ),
                ),
                ("key", models.CharField(db_collation="C", max_length=128)),
            ],
            options={"db_table": "aegis_crowded_block", "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="EntityBlock",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "collection_id", "key", "entity_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "collection",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="documents.collection",
                    ),
                ),
                ("key", models.CharField(db_collation="C", max_length=128)),
                (
                    "entity",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="documents.entity",
                    ),
                ),
            ],
            options={"db_table": "aegis_entity_block", "default_permissions": ()},
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        # Not the field's own index: Django would make that at the very end, and what follows needs it.
        migrations.AddIndex("entityblock", models.Index(fields=["entity"], name="aegis_entity_block_entity")),
        migrations.RunSQL(FOREIGN_KEY, "ALTER TABLE aegis_entity_block DROP CONSTRAINT aegis_entity_block_entity_fk"),
        migrations.RunSQL(BLOCK_OF_MERGE, migrations.RunSQL.noop),
        migrations.AddIndex(
            "merge",
            models.Index(
                condition=models.Q(("block", ""), _negated=True), fields=["collection", "block"], name="aegis_merge_block"
            ),
        ),
        migrations.RemoveIndex("entity", "aegis_entity_blocks"),
        migrations.RemoveField("entity", "blocks"),
    ]
