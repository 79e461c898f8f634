"""Names that chunks are about, and entities by their names, for the search's walk over the graph."""

import django.db.models.deletion
from django.db import migrations, models
from psycopg.rows import dict_row

from aegis_assets.stores.ledger import homes

BATCH = 200
DOCUMENTS = """
SELECT id FROM aegis_document WHERE live_id IS NOT NULL AND (%(after)s::uuid IS NULL OR id > %(after)s) ORDER BY id LIMIT %(batch)s"""


def fill(apps, schema_editor):
    """Read the headings of all live chunks: nothing is parsed or asked."""
    with schema_editor.connection.cursor() as cursor:
        connection, after = cursor.connection, None
        with connection.cursor(row_factory=dict_row) as read:
            while documents := [row["id"] for row in read.execute(DOCUMENTS, {"after": after, "batch": BATCH}).fetchall()]:
                placed = read.execute(homes.LIVE_HEADINGS, {"documents": documents}).fetchall()
                if found := sorted(homes.homes_of(placed)):
                    homes.add(connection, found)
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
        migrations.AddIndex("home", models.Index(fields=["document_id"], name="aegis_home_document")),
        migrations.AddIndex("home", models.Index(fields=["collection", "name", "chunk_id"], name="aegis_home_name")),
        migrations.AddIndex("home", models.Index(fields=["collection", "lead", "name"], name="aegis_home_lead")),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
