"""A pending document that met an outage: what it waits for, since when, and when it is tried again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0013_blocks")]

    operations = [
        migrations.AddField("document", "waiting_for", models.CharField(blank=True, db_default="", max_length=64)),
        migrations.AddField("document", "not_before", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("document", "waiting_since", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("document", "waits", models.PositiveIntegerField(db_default=0)),
        migrations.AddIndex(
            "document",
            models.Index(
                fields=["waiting_for", "collection"],
                condition=models.Q(state="pending", not_before__isnull=False),
                name="aegis_document_waiting",
            ),
        ),
    ]
