"""A collection's own language model."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0004_words")]
    operations = [
        migrations.AddField(
            model_name="collection",
            name="model",
            field=models.CharField(blank=True, db_default="", max_length=128, verbose_name="language model"),
        ),
    ]
