"""An entity is its name in a collection, whatever its types: their ids are made anew, and everything that refers to them follows.

Nothing is parsed and no engine is asked. Names of one document are joined as the resolve stage joins them, types are voted from the
mentions that are there, and everything of the graph that changes is marked to be written: the sweep writes it, or `rebuild graph`
at once. Names are compared anew when a document with them is resolved. Backwards, the tables keep the new ids.
"""

import django.db.models.deletion
from django.db import migrations, models

from webadmin.documents.migrations._identity import move

FOREIGN_KEY = """
ALTER TABLE aegis_surface_form ADD CONSTRAINT aegis_surface_form_entity_fk
FOREIGN KEY (entity_id) REFERENCES aegis_entity (id) ON DELETE CASCADE"""


class Migration(migrations.Migration):
    dependencies = [("documents", "0016_bounds")]

    operations = [
        migrations.CreateModel(
            name="SurfaceForm",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "entity_id", "name", "type", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "entity",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="forms",
                        to="documents.entity",
                    ),
                ),
                ("name", models.CharField(max_length=512)),
                ("type", models.CharField(max_length=64)),
                ("normalised", models.CharField(max_length=512)),
                ("mentions", models.IntegerField()),
                ("weight", models.BigIntegerField()),
            ],
            options={"db_table": "aegis_surface_form", "default_permissions": ()},
        ),
        migrations.RunSQL(FOREIGN_KEY, "ALTER TABLE aegis_surface_form DROP CONSTRAINT aegis_surface_form_entity_fk"),
        migrations.RemoveIndex("entity", "aegis_entity_name"),
        migrations.AddField("mention", "confidence", models.FloatField(db_default=1.0)),
        migrations.AddField("mention", "joined_from", models.UUIDField(null=True)),
        migrations.AddField("mention", "type", models.CharField(db_default="", max_length=64)),
        migrations.AddField("relation", "source_joined_from", models.UUIDField(null=True)),
        migrations.AddField("relation", "target_joined_from", models.UUIDField(null=True)),
        migrations.RunPython(move, migrations.RunPython.noop),
        migrations.AddIndex("entity", models.Index(fields=["collection", "normalised"], name="aegis_entity_name")),
        migrations.AddIndex(
            "surfaceform",
            models.Index(condition=models.Q(("name", ""), _negated=True), fields=["normalised"], name="aegis_surface_form_short"),
        ),
    ]
