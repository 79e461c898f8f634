"""A changed row of a document says its id on the channel `aegis_document` (`aegis_assets.stores.changes`).

A trigger, not the ledger's statements: also a person's psql is seen. A run writes the row at most once a second for each document,
so commits do not queue for PostgreSQL's one lock on notifications. Columns that no viewer is shown stay silent.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION aegis_say_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.state, NEW.fraction, NEW.message, NEW.name, NEW.run_id, NEW.making_id, NEW.live_id)
      IS NOT DISTINCT FROM (OLD.state, OLD.fraction, OLD.message, OLD.name, OLD.run_id, OLD.making_id, OLD.live_id) THEN
    RETURN NULL;
  END IF;
  PERFORM pg_notify('aegis_document', (CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END)::text);
  RETURN NULL;
END $$;
CREATE TRIGGER aegis_document_said AFTER INSERT OR UPDATE OR DELETE ON aegis_document
FOR EACH ROW EXECUTE FUNCTION aegis_say_document();
"""

BACKWARD = """
DROP TRIGGER aegis_document_said ON aegis_document;
DROP FUNCTION aegis_say_document();
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("documents", "0002_transitions")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
