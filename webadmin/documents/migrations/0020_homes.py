"""Names that chunks are about, and entities by their names, for the search's walk over the graph.

The statements are those of the release of the migration, and stay as they are; only pure functions are shared with the platform.
"""

import django.db.models.deletion
from django.db import migrations, models
from psycopg.rows import dict_row

from aegis_assets.pipeline.search.names import lead_of
from aegis_assets.stores.ledger.homes import homes_of

BATCH = 200
DOCUMENTS = """
SELECT id FROM aegis_document WHERE live_id IS NOT NULL AND (%(after)s::uuid IS NULL OR id > %(after)s) ORDER BY id LIMIT %(batch)s"""
LIVE_HEADINGS = """
SELECT d.id AS document, d.collection_id AS collection, d.name, p.chunk_id AS chunk, p.headings
FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id JOIN aegis_window w ON w.id = p.window_id
WHERE d.id = ANY(%(documents)s) ORDER BY d.id, w.ordinal, p.ordinal"""
COPY = "COPY aegis_home (collection_id, document_id, name, lead, chunk_id) FROM STDIN"


def fill(apps, schema_editor):
    """Write the homes that the headings of all live chunks give: nothing is parsed, and no engine is asked."""
    after = None
    with schema_editor.connection.cursor() as wrapped, wrapped.connection.cursor(row_factory=dict_row) as cursor:
        while documents := [row["id"] for row in cursor.execute(DOCUMENTS, {"after": after, "batch": BATCH}).fetchall()]:
            homes = homes_of(cursor.execute(LIVE_HEADINGS, {"documents": documents}).fetchall())
            with cursor.copy(COPY) as copy:
                for collection, document, name, chunk in sorted(homes):
                    copy.write_row((collection, document, name, lead_of(name), chunk))
            after = documents[-1]


class Migration(migrations.Migration):
    dependencies = [("documents", "0019_lexical")]

    operations = [
        migrations.CreateModel(
            name="Home",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey("chunk_id", "name", blank=True, editable=False, primary_key=True, serialize=False),
                ),
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
                ("document_id", models.UUIDField()),
                ("chunk_id", models.UUIDField()),
                ("name", models.CharField(db_collation="C", max_length=512)),
                ("lead", models.CharField(db_collation="C", max_length=512)),
            ],
            options={"db_table": "aegis_home", "default_permissions": ()},
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex("home", models.Index(fields=["document_id"], name="aegis_home_document")),
        migrations.AddIndex("home", models.Index(fields=["collection", "name", "chunk_id"], name="aegis_home_name")),
        migrations.AddIndex("home", models.Index(fields=["collection", "lead", "name"], name="aegis_home_lead")),
    ]
