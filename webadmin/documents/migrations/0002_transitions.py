"""The table of allowed state transitions, and the trigger that enforces it whoever writes."""

from django.db import migrations

from aegis_assets.model.document import TRANSITIONS

ROWS = ", ".join(f"('{old}', '{new}')" for old in TRANSITIONS for new in sorted(TRANSITIONS[old]))

FORWARD = f"""
CREATE TABLE aegis_transition (old text NOT NULL, new text NOT NULL, PRIMARY KEY (old, new));
INSERT INTO aegis_transition (old, new) VALUES {ROWS};
CREATE FUNCTION aegis_check_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state <> OLD.state AND NOT EXISTS (SELECT 1 FROM aegis_transition t WHERE t.old = OLD.state AND t.new = NEW.state) THEN
    RAISE EXCEPTION 'a document cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
  END IF;
  NEW.updated_at := now();
  RETURN NEW;
END $$;
CREATE TRIGGER aegis_document_transition BEFORE UPDATE ON aegis_document FOR EACH ROW EXECUTE FUNCTION aegis_check_transition();
"""

BACKWARD = """
DROP TRIGGER aegis_document_transition ON aegis_document;
DROP FUNCTION aegis_check_transition();
DROP TABLE aegis_transition;
"""


class Migration(migrations.Migration):
    dependencies = [("documents", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
