"""The fingerprint of an embedding's sparse side, which is renewed without the model, and the language of its text."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0018_extraction_marks")]

    operations = [
        migrations.AddField("keptembedding", "sparse_fingerprint", models.CharField(db_default="", max_length=64)),
        migrations.AddField("keptembedding", "language", models.CharField(db_default="", max_length=16)),
    ]
