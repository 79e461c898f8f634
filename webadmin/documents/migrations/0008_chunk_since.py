"""Which generation brought a chunk."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0007_generation_engines_and_times")]

    operations = [migrations.AddField("chunk", "since", models.PositiveIntegerField(db_default=0))]
