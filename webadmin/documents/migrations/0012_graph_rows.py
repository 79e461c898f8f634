"""Tables for the content of the knowledge graph, kept by difference, the outbox of what must still be written there, and indexes for both.

The tables are filled from the rows that are there, and everything is marked to be written: the graph keeps counters now where it
had lists.
"""

from django.db import migrations, models
from django.db.migrations.state import StateApps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.deletion import CASCADE
from django.db.models.functions import Now

from aegis_assets.model.ids import relation_id

LIVE = "aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id"
ENTITIES = f"""
INSERT INTO aegis_graph_entity (id, collection_id, chunks, documents)
SELECT e.canonical_id, e.collection_id, count(DISTINCT m.chunk_id), count(DISTINCT m.document_id)
FROM {LIVE} JOIN aegis_mention m ON m.chunk_id = p.chunk_id JOIN aegis_entity e ON e.id = m.entity_id
GROUP BY e.canonical_id, e.collection_id"""
RELATIONS = f"""
SELECT d.collection_id, s.canonical_id, r.type, t.canonical_id, count(DISTINCT r.chunk_id), count(DISTINCT r.document_id)
FROM {LIVE} JOIN aegis_relation r ON r.chunk_id = p.chunk_id
JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
WHERE s.canonical_id <> t.canonical_id GROUP BY d.collection_id, s.canonical_id, r.type, t.canonical_id"""
ADD_RELATIONS = """
COPY aegis_graph_relation (id, collection_id, source_id, type, target_id, chunks, documents) FROM STDIN"""
MARK = (
    f"""INSERT INTO aegis_outbox (collection_id, kind, key)
SELECT d.collection_id, kind, d.id FROM aegis_document d, unnest(ARRAY['content', 'document']) AS kind WHERE d.live_id IS NOT NULL
UNION ALL SELECT d.collection_id, 'chunk', p.chunk_id FROM {LIVE}
UNION ALL SELECT collection_id, 'entity', id FROM aegis_graph_entity""",
    """INSERT INTO aegis_outbox (collection_id, kind, key, source_id, type, target_id)
SELECT collection_id, 'relation', id, source_id, type, target_id FROM aegis_graph_relation""",
)
ROWS = 5000


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Fill both tables and mark all of it. Ids of relations are made in Python: PostgreSQL has no SHA-1 of its own."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute(ENTITIES)
    with connection.chunked_cursor() as relations, connection.cursor() as cursor:
        relations.execute(RELATIONS)
        while rows := relations.fetchmany(ROWS):
            with cursor.copy(ADD_RELATIONS) as copy:
                for collection, source, kind, target, chunks, documents in rows:
                    copy.write_row((relation_id(source, kind, target), collection, source, kind, target, chunks, documents))
    with connection.cursor() as cursor:
        for statement in MARK:
            cursor.execute(statement)


def reference(model: str, related_name: str = "+", **options: bool) -> models.ForeignKey:
    return models.ForeignKey(db_index=False, on_delete=CASCADE, related_name=related_name, to=f"documents.{model}", **options)


class Migration(migrations.Migration):
    dependencies = [("documents", "0011_vectors")]

    operations = [
        migrations.CreateModel(
            name="GraphEntity",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("collection", reference("collection", db_constraint=False)),
                ("chunks", models.IntegerField()),
                ("documents", models.IntegerField()),
            ],
            options={
                "db_table": "aegis_graph_entity",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["collection", "id"], name="aegis_graph_entity_page"),
                    models.Index(fields=["collection", "-chunks", "id"], name="aegis_graph_entity_most"),
                ],
            },
        ),
        migrations.CreateModel(
            name="GraphRelation",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("collection", reference("collection", db_constraint=False)),
                ("source_id", models.UUIDField()),
                ("type", models.CharField(max_length=64)),
                ("target_id", models.UUIDField()),
                ("chunks", models.IntegerField()),
                ("documents", models.IntegerField()),
            ],
            options={
                "db_table": "aegis_graph_relation",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["target_id"], name="aegis_graph_relation_target"),
                    models.Index(fields=["collection", "id"], name="aegis_graph_relation_page"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=["source_id", "type", "target_id"], name="aegis_graph_relation_ends")
                ],
            },
        ),
        migrations.CreateModel(
            name="Outbox",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("collection", reference("collection", db_constraint=False)),
                ("kind", models.CharField(max_length=16)),
                ("key", models.UUIDField()),
                ("source_id", models.UUIDField(null=True)),
                ("type", models.CharField(db_default="", max_length=64)),
                ("target_id", models.UUIDField(null=True)),
                ("version", models.BigIntegerField(db_default=0)),
                ("document_id", models.UUIDField(null=True)),
                ("marked_at", models.DateTimeField(db_default=Now())),
                ("claimed_by", models.CharField(db_default="", max_length=64)),
                ("claimed_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "aegis_outbox",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["document_id"], name="aegis_outbox_document"),
                    models.Index(fields=["claimed_by"], name="aegis_outbox_claimed", condition=~models.Q(claimed_by="")),
                ],
                "constraints": [models.UniqueConstraint(fields=["collection", "kind", "key"], name="aegis_outbox_key")],
            },
        ),
        migrations.RemoveIndex("relation", "aegis_relation_document"),
        migrations.AlterField("mention", "document", reference("document")),
        migrations.AlterField("mention", "entity", reference("entity", "mentions")),
        migrations.AlterField("relation", "document", reference("document")),
        migrations.AlterField("relation", "source", reference("entity")),
        migrations.AlterField("relation", "target", reference("entity")),
        migrations.AddIndex("chunk", models.Index(fields=["text_hash"], name="aegis_chunk_hash")),
        migrations.AddIndex("mention", models.Index(fields=["entity", "document"], name="aegis_mention_entity")),
        migrations.AddIndex("relation", models.Index(fields=["document", "source"], name="aegis_relation_source")),
        migrations.AddIndex("relation", models.Index(fields=["target", "document"], name="aegis_relation_target")),
        migrations.AddIndex(
            "relation",
            models.Index(fields=["source", "type", "target", "-confidence", "chunk", "start"], name="aegis_relation_best"),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
