"""When a watched bucket was last listed completely."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0023_pairs")]

    operations = [
        migrations.CreateModel(
            name="Listing",
            fields=[
                ("bucket", models.CharField(max_length=512, primary_key=True, serialize=False)),
                ("completed_at", models.DateTimeField()),
                ("every_seconds", models.FloatField()),
            ],
            options={"db_table": "aegis_listing", "default_permissions": ()},
        ),
    ]
