"""Add what a language model says of an entity, and the sentences that it read."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0021_descriptions")]

    operations = [
        migrations.RenameIndex("description", new_name="aegis_description_place", old_name="aegis_description_source"),
        migrations.AddField("description", "text", models.TextField(db_default="")),
        migrations.AddField("description", "asked", models.IntegerField(db_default=0)),
        migrations.CreateModel(
            name="DescriptionSource",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("entity_id", models.UUIDField()),
                ("document_id", models.UUIDField()),
                ("chunk_id", models.UUIDField()),
                ("start", models.PositiveIntegerField()),
                ("end", models.PositiveIntegerField()),
            ],
            options={"db_table": "aegis_description_source", "default_permissions": ()},
        ),
        migrations.AddIndex("descriptionsource", models.Index(fields=["entity_id"], name="aegis_description_source_of")),
        migrations.AddIndex(
            "descriptionsource", models.Index(fields=["document_id", "chunk_id"], name="aegis_description_source_in")
        ),
    ]
