"""Parser and extractor of each generation, and when a run resolved and published a document."""

from django.db import migrations, models

# Of generations made before: the inspection names the parser of a format that is parsed as a whole, the document the engines of the
# generation that it shows. Of other superseded ones the extractor is not known.
FILL = """
UPDATE aegis_generation g SET
    parser = left(coalesce(nullif(g.inspection ->> 'parser', ''), CASE WHEN s.shown THEN s.parser END, ''), 128),
    extractor = CASE WHEN s.shown THEN s.extractor ELSE '' END
FROM (
    SELECT o.id, coalesce(o.id = coalesce(d.making_id, d.live_id), false) AS shown, d.parser, d.extractor
    FROM aegis_generation o JOIN aegis_document d ON d.id = o.document_id
) s WHERE s.id = g.id"""


def engine() -> models.CharField:
    return models.CharField(blank=True, db_default="", max_length=128)


class Migration(migrations.Migration):
    dependencies = [("documents", "0006_decision")]

    operations = [
        migrations.AddField("generation", "parser", engine()),
        migrations.AddField("generation", "extractor", engine()),
        migrations.AddField("rundocument", "resolve_began_at", models.DateTimeField(null=True)),
        migrations.AddField("rundocument", "resolve_ended_at", models.DateTimeField(null=True)),
        migrations.AddField("rundocument", "publish_began_at", models.DateTimeField(null=True)),
        migrations.AddField("rundocument", "publish_ended_at", models.DateTimeField(null=True)),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
