"""Whether a collection's language model is asked about two neighbouring chunks at once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0022_model_descriptions")]
    operations = [
        migrations.AddField(
            model_name="collection",
            name="pairs",
            field=models.BooleanField(db_default=False, verbose_name="two chunks at once"),
        ),
    ]
