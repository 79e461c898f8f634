"""Totals that only grow: of runs that have ended, and of failures.

A scrape adds up the runs that are still at work, which are few, and takes the rest from here: its cost does not grow with the years.
The triggers are deferred to the commit. A transaction that ends several documents would otherwise hold the totals' rows while it
waits for the next document, whose holder waits for the totals.
"""

from django.db import migrations, models

COUNTED = (
    ("parsed_windows", "", "parsed_windows"),
    ("chunks", "embed", "embedded_chunks"),
    ("chunks", "extract", "extracted_chunks"),
    ("llm_calls", "", "llm_calls"),
    ("retries", "", "retries"),
    ("tokens", "prompt", "prompt_tokens"),
    ("tokens", "completion", "completion_tokens"),
    *(("stage_seconds", stage, f"{stage}_seconds") for stage in ("parse", "enrich", "embed", "extract", "resolve", "publish")),
)


def values(row):
    return ",\n    ".join(f"('{name}', '{labels}', {row}.{column}::float8)" for name, labels, column in COUNTED)


# A run's row counts here while it has an end. One that begins again takes its part back and is added up by the scrape.
FORWARD = f"""
CREATE FUNCTION aegis_add_total(the_name text, the_labels text, more float8) RETURNS void LANGUAGE sql AS $$
  INSERT INTO aegis_total AS t (name, labels, value) VALUES (the_name, the_labels, more)
  ON CONFLICT (name, labels) DO UPDATE SET value = t.value + EXCLUDED.value
$$;
CREATE FUNCTION aegis_total_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND OLD.finished_at IS NOT NULL AND TG_OP <> 'DELETE' THEN
    PERFORM aegis_add_total(name, labels, -value) FROM (VALUES
    {values("OLD")}) AS counted(name, labels, value) WHERE value <> 0 ORDER BY name, labels;
  END IF;
  IF TG_OP = 'DELETE' THEN
    IF OLD.finished_at IS NULL THEN
      PERFORM aegis_add_total(name, labels, value) FROM (VALUES
    {values("OLD")}) AS counted(name, labels, value) WHERE value <> 0 ORDER BY name, labels;
    END IF;
  ELSIF NEW.finished_at IS NOT NULL THEN
    PERFORM aegis_add_total(name, labels, value) FROM (VALUES
    {values("NEW")}) AS counted(name, labels, value) WHERE value <> 0 ORDER BY name, labels;
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER aegis_run_total_made AFTER INSERT ON aegis_run_document DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION aegis_total_run();
CREATE CONSTRAINT TRIGGER aegis_run_total_changed AFTER UPDATE ON aegis_run_document DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.finished_at IS NOT NULL OR NEW.finished_at IS NOT NULL) EXECUTE FUNCTION aegis_total_run();
CREATE CONSTRAINT TRIGGER aegis_run_total_gone AFTER DELETE ON aegis_run_document DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.finished_at IS NULL) EXECUTE FUNCTION aegis_total_run();
CREATE FUNCTION aegis_total_failure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM aegis_add_total('failures', NEW.stage || ' ' || NEW.kind, 1);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER aegis_failure_total AFTER INSERT ON aegis_failure DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION aegis_total_failure();
INSERT INTO aegis_total (name, labels, value)
SELECT counted.name, counted.labels, sum(counted.value) FROM aegis_run_document r CROSS JOIN LATERAL (VALUES
    {values("r")}) AS counted(name, labels, value)
WHERE r.finished_at IS NOT NULL GROUP BY 1, 2;
INSERT INTO aegis_total (name, labels, value)
SELECT 'failures', stage || ' ' || kind, count(*) FROM aegis_failure GROUP BY 2;
CREATE INDEX aegis_run_document_open ON aegis_run_document (document_id) WHERE finished_at IS NULL;
CREATE INDEX aegis_run_document_ended ON aegis_run_document (finished_at);
"""

BACKWARD = """
DROP INDEX aegis_run_document_ended;
DROP INDEX aegis_run_document_open;
DROP TRIGGER aegis_failure_total ON aegis_failure;
DROP FUNCTION aegis_total_failure();
DROP TRIGGER aegis_run_total_gone ON aegis_run_document;
DROP TRIGGER aegis_run_total_changed ON aegis_run_document;
DROP TRIGGER aegis_run_total_made ON aegis_run_document;
DROP FUNCTION aegis_total_run();
DROP FUNCTION aegis_add_total(text, text, float8);
"""


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0001_changes"), ("documents", "0001_initial")]
    operations = [
        migrations.CreateModel(
            name="Total",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=64)),
                ("labels", models.CharField(db_default="", max_length=128)),
                ("value", models.FloatField(db_default=0)),
            ],
            options={"db_table": "aegis_total", "default_permissions": ()},
        ),
        migrations.AddConstraint(
            model_name="total", constraint=models.UniqueConstraint(fields=("name", "labels"), name="aegis_total_key")
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
