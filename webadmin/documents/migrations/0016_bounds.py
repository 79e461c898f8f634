"""Tables and indexes that bound the cost of one document: marks counted by difference, indexes of lookups, and removed documents for the sweep."""

from django.db import migrations, models
from django.db.models.functions import Now

# Counts of whole windows: when their chunks are placed, and when a run begins.
RECOUNT = """
CREATE FUNCTION aegis_recount(windows uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM aegis_tally WHERE window_id = ANY(windows) ORDER BY window_id FOR UPDATE;
  INSERT INTO aegis_tally AS t (window_id, chunks, embed_done, embed_failed, embed_running, extract_done, extract_failed,
    extract_running, processed, in_flight)
  SELECT w.id, count(p.id),
    count(*) FILTER (WHERE e.state IN ('done', 'skipped')), count(*) FILTER (WHERE e.state = 'failed'),
    count(*) FILTER (WHERE e.state = 'running'),
    count(*) FILTER (WHERE x.state IN ('done', 'skipped')), count(*) FILTER (WHERE x.state = 'failed'),
    count(*) FILTER (WHERE x.state = 'running'),
    count(*) FILTER (WHERE e.state IN ('done', 'skipped', 'failed') AND x.state IN ('done', 'skipped', 'failed')),
    count(*) FILTER (WHERE e.state = 'running' OR x.state = 'running')
  FROM aegis_window w
  LEFT JOIN aegis_placement p ON p.window_id = w.id
  LEFT JOIN aegis_chunk_task e ON e.chunk_id = p.chunk_id AND e.stage = 'embed'
  LEFT JOIN aegis_chunk_task x ON x.chunk_id = p.chunk_id AND x.stage = 'extract'
  WHERE w.id = ANY(windows) GROUP BY w.id ORDER BY w.id
  ON CONFLICT (window_id) DO UPDATE SET chunks = EXCLUDED.chunks, embed_done = EXCLUDED.embed_done,
    embed_failed = EXCLUDED.embed_failed, embed_running = EXCLUDED.embed_running, extract_done = EXCLUDED.extract_done,
    extract_failed = EXCLUDED.extract_failed, extract_running = EXCLUDED.extract_running, processed = EXCLUDED.processed,
    in_flight = EXCLUDED.in_flight;
END $$;
"""

# The difference that one statement made to marks. The rows of the tally are locked before the marks are read: whoever marks the
# other stage of the same chunk meanwhile waits, and then sees this mark, so that a chunk through both stages is counted once.
# Linear in the marks changed: no join of the transition tables, whose number of rows a cached plan would not know. One plan for a
# session: to plan it anew for each statement takes five times as long as to run it.
COUNT = """
CREATE FUNCTION aegis_count_marks() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE changed uuid[]; touched uuid[];
BEGIN
  SELECT array_agg(DISTINCT chunk_id) INTO changed FROM (
    SELECT chunk_id, stage, state FROM new_marks EXCEPT SELECT chunk_id, stage, state FROM old_marks) different;
  IF changed IS NULL THEN RETURN NULL; END IF;
  SELECT array_agg(DISTINCT window_id) INTO touched FROM aegis_placement WHERE chunk_id = ANY(changed);
  PERFORM 1 FROM aegis_tally WHERE window_id = ANY(touched) ORDER BY window_id FOR UPDATE;
  WITH marks AS (
    SELECT chunk_id, max(state) FILTER (WHERE now AND stage = 'embed') AS e, max(state) FILTER (WHERE now AND stage = 'extract') AS x,
      coalesce(max(state) FILTER (WHERE NOT now AND stage = 'embed'), max(state) FILTER (WHERE now AND stage = 'embed')) AS old_e,
      coalesce(max(state) FILTER (WHERE NOT now AND stage = 'extract'), max(state) FILTER (WHERE now AND stage = 'extract')) AS old_x
    FROM (
      SELECT chunk_id, stage, state, true AS now FROM aegis_chunk_task WHERE chunk_id = ANY(changed)
      UNION ALL SELECT chunk_id, stage, state, false FROM old_marks) every
    GROUP BY chunk_id HAVING bool_or(now)
  ), steps AS (
    SELECT chunk_id,
      (e IN ('done', 'skipped'))::int - (old_e IN ('done', 'skipped'))::int AS embed_done,
      (e = 'failed')::int - (old_e = 'failed')::int AS embed_failed,
      (e = 'running')::int - (old_e = 'running')::int AS embed_running,
      (x IN ('done', 'skipped'))::int - (old_x IN ('done', 'skipped'))::int AS extract_done,
      (x = 'failed')::int - (old_x = 'failed')::int AS extract_failed,
      (x = 'running')::int - (old_x = 'running')::int AS extract_running,
      (e IN ('done', 'skipped', 'failed') AND x IN ('done', 'skipped', 'failed'))::int
        - (old_e IN ('done', 'skipped', 'failed') AND old_x IN ('done', 'skipped', 'failed'))::int AS processed,
      (e = 'running' OR x = 'running')::int - (old_e = 'running' OR old_x = 'running')::int AS in_flight
    FROM marks
  ), sums AS (
    SELECT p.window_id, sum(embed_done) AS embed_done, sum(embed_failed) AS embed_failed, sum(embed_running) AS embed_running,
      sum(extract_done) AS extract_done, sum(extract_failed) AS extract_failed, sum(extract_running) AS extract_running,
      sum(processed) AS processed, sum(in_flight) AS in_flight
    FROM aegis_placement p JOIN steps s ON s.chunk_id = p.chunk_id WHERE p.chunk_id = ANY(changed) GROUP BY p.window_id
  )
  UPDATE aegis_tally t SET embed_done = t.embed_done + s.embed_done, embed_failed = t.embed_failed + s.embed_failed,
    embed_running = t.embed_running + s.embed_running, extract_done = t.extract_done + s.extract_done,
    extract_failed = t.extract_failed + s.extract_failed, extract_running = t.extract_running + s.extract_running,
    processed = t.processed + s.processed, in_flight = t.in_flight + s.in_flight
  FROM sums s WHERE t.window_id = s.window_id;
  RETURN NULL;
END $$;
CREATE TRIGGER aegis_chunk_task_count AFTER UPDATE ON aegis_chunk_task REFERENCING OLD TABLE AS old_marks NEW TABLE AS new_marks
  FOR EACH STATEMENT EXECUTE FUNCTION aegis_count_marks();
"""
COUNT_BACK = """
DROP TRIGGER aegis_chunk_task_count ON aegis_chunk_task;
DROP FUNCTION aegis_count_marks();
"""

# The rows of a tally go with their window, whoever deletes that. Half-filled pages: a row that is changed often stays in its own.
TALLY = """
ALTER TABLE aegis_tally ADD FOREIGN KEY (window_id) REFERENCES aegis_window ON DELETE CASCADE;
ALTER TABLE aegis_tally SET (fillfactor = 50);
"""

# A call that was cancelled may come back after its document has gone: what it wrote is swept later (pipeline/flow/late.py).
NOTE_REMOVED = """
CREATE FUNCTION aegis_note_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO aegis_removed (document_id, collection_id) SELECT id, collection_id FROM gone ORDER BY id;
  RETURN NULL;
END $$;
CREATE TRIGGER aegis_document_removed AFTER DELETE ON aegis_document REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION aegis_note_removed();
"""
NOTE_REMOVED_BACK = """
DROP TRIGGER aegis_document_removed ON aegis_document;
DROP FUNCTION aegis_note_removed();
"""


def count():
    return models.IntegerField(db_default=0)


class Migration(migrations.Migration):
    dependencies = [("documents", "0015_queue")]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "window",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=models.DO_NOTHING,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="documents.window",
                    ),
                ),
                ("chunks", count()),
                ("embed_done", count()),
                ("embed_failed", count()),
                ("embed_running", count()),
                ("extract_done", count()),
                ("extract_failed", count()),
                ("extract_running", count()),
                ("processed", count()),
                ("in_flight", count()),
            ],
            options={"db_table": "aegis_tally"},
        ),
        migrations.RunSQL(TALLY, migrations.RunSQL.noop),
        migrations.RunSQL(RECOUNT, "DROP FUNCTION aegis_recount(uuid[])"),
        migrations.RunSQL("SELECT aegis_recount(array_agg(id)) FROM aegis_window", migrations.RunSQL.noop),
        migrations.RunSQL(COUNT, COUNT_BACK),
        migrations.RemoveIndex("chunktask", "aegis_chunk_task_state"),
        migrations.AddIndex(
            "chunktask", models.Index(fields=["document", "stage", "state", "finished_at"], name="aegis_chunk_task_state")
        ),
        migrations.AddIndex("document", models.Index(fields=["blob"], name="aegis_document_blob")),
        migrations.AddIndex("generation", models.Index(fields=["blob"], name="aegis_generation_blob")),
        migrations.CreateModel(
            name="Removed",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("document_id", models.UUIDField()),
                ("collection_id", models.UUIDField()),
                ("removed_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "db_table": "aegis_removed",
                "indexes": [models.Index(fields=["removed_at"], name="aegis_removed_at")],
            },
        ),
        migrations.RunSQL(NOTE_REMOVED, NOTE_REMOVED_BACK),
    ]
