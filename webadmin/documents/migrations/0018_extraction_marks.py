"""Marks of doubtful extractions: a name that the text spells otherwise, a relation from a sentence that addresses its reader."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0017_identity")]

    operations = [
        migrations.AddField("Mention", "inexact", models.BooleanField(db_default=False)),
        migrations.AddField("Relation", "addressed", models.BooleanField(db_default=False)),
    ]
