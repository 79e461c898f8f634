"""Columns for how often the removal of a document has failed, and when it is tried again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0014_waiting")]

    operations = [
        migrations.AddField("document", "removal_attempts", models.PositiveIntegerField(db_default=0)),
        migrations.AddField("document", "removal_due_at", models.DateTimeField(blank=True, null=True)),
    ]
