"""How often a document was taken up again after runs that were killed, and when a removal that failed is tried again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0011_vectors")]

    operations = [
        migrations.AddField("document", "resumptions", models.PositiveIntegerField(db_default=0)),
        migrations.AddField("document", "removal_attempts", models.PositiveIntegerField(db_default=0)),
        migrations.AddField("document", "removal_due_at", models.DateTimeField(blank=True, null=True)),
    ]
