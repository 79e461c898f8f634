"""What is done, failed and measured, and the limits that work keeps."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from aegis_assets.model.document import Mark, Stage
from webadmin.documents.models.content import Chunk, Document, Window

STAGES = [(stage.value, stage.value) for stage in Stage]
MARKS = [(mark.value, mark.value) for mark in Mark]


class ChunkTask(models.Model):
    """The mark of embed or extract on one chunk. cached: the result came from the extraction cache, without a call."""

    id = models.BigAutoField(primary_key=True)
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="tasks")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    stage = models.CharField(max_length=16, choices=STAGES)
    state = models.CharField(max_length=16, choices=MARKS, db_default="pending")
    fingerprint = models.CharField(max_length=64, blank=True, db_default="")
    attempts = models.PositiveIntegerField(db_default=0)
    cached = models.BooleanField(db_default=False)
    note = models.TextField(blank=True, db_default="")
    run_id = models.CharField(max_length=64, blank=True, db_default="")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "aegis_chunk_task"
        constraints = [models.UniqueConstraint(fields=["chunk", "stage"], name="aegis_chunk_task_stage")]
        indexes = [models.Index(fields=["document", "stage", "state", "finished_at"], name="aegis_chunk_task_state")]


class Tally(models.Model):
    """The marks of a window's chunks, counted: kept by a trigger on ChunkTask, so that progress does not count them anew.

    processed: through both stages, well or not. in_flight: in one of them. A row goes with its window, in the database.
    """

    window = models.OneToOneField(Window, on_delete=models.DO_NOTHING, primary_key=True, related_name="+", db_constraint=False)
    chunks = models.IntegerField(db_default=0)
    embed_done = models.IntegerField(db_default=0)
    embed_failed = models.IntegerField(db_default=0)
    embed_running = models.IntegerField(db_default=0)
    extract_done = models.IntegerField(db_default=0)
    extract_failed = models.IntegerField(db_default=0)
    extract_running = models.IntegerField(db_default=0)
    processed = models.IntegerField(db_default=0)
    in_flight = models.IntegerField(db_default=0)

    class Meta:
        db_table = "aegis_tally"


class Failure(models.Model):
    """A failure is data. resolved: a later attempt of the same thing ended well."""

    id = models.BigAutoField(primary_key=True)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="failures")
    window = models.ForeignKey(Window, on_delete=models.CASCADE, null=True, related_name="failures")
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, null=True, related_name="failures")
    stage = models.CharField(max_length=16)
    kind = models.CharField(max_length=32)
    retryable = models.BooleanField()
    message = models.TextField()
    attempt = models.PositiveIntegerField(db_default=1)
    run_id = models.CharField(max_length=64, blank=True, db_default="")
    resolved = models.BooleanField(db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "aegis_failure"
        ordering = ["-created_at", "-id"]


class RunDocument(models.Model):
    """What one run did for one document: seconds by stage (summed over windows) and counts of work.

    resolve and publish take several documents at a time: their seconds are this one's share, the times are the clock's.
    """

    id = models.BigAutoField(primary_key=True)
    run_id = models.CharField(max_length=64)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="runs")
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    parse_seconds = models.FloatField(db_default=0)
    enrich_seconds = models.FloatField(db_default=0)
    embed_seconds = models.FloatField(db_default=0)
    extract_seconds = models.FloatField(db_default=0)
    resolve_seconds = models.FloatField(db_default=0)
    publish_seconds = models.FloatField(db_default=0)
    resolve_began_at = models.DateTimeField(null=True)
    resolve_ended_at = models.DateTimeField(null=True)
    publish_began_at = models.DateTimeField(null=True)
    publish_ended_at = models.DateTimeField(null=True)
    parsed_windows = models.PositiveIntegerField(db_default=0)
    embedded_chunks = models.PositiveIntegerField(db_default=0)
    extracted_chunks = models.PositiveIntegerField(db_default=0)
    llm_calls = models.PositiveIntegerField(db_default=0)
    prompt_tokens = models.BigIntegerField(db_default=0)
    completion_tokens = models.BigIntegerField(db_default=0)
    retries = models.PositiveIntegerField(db_default=0)

    class Meta:
        db_table = "aegis_run_document"
        ordering = ["-started_at"]
        constraints = [models.UniqueConstraint(fields=["run_id", "document"], name="aegis_run_document_pair")]


class Lease(models.Model):
    """A slot held or waited for. session: the advisory lock key of the holder's connection; it goes with the holder.
    in_flight: of the resource when this was granted, itself included."""

    id = models.UUIDField(primary_key=True)
    resource = models.CharField(max_length=32)
    weight = models.PositiveIntegerField()
    owner = models.UUIDField()
    session = models.BigIntegerField()
    held = models.BooleanField(db_default=False)
    holder = models.CharField(max_length=128, db_default="")
    requested_at = models.DateTimeField(db_default=Now())
    granted_at = models.DateTimeField(null=True)
    in_flight = models.PositiveIntegerField(null=True)

    class Meta:
        db_table = "aegis_lease"
        indexes = [models.Index(fields=["resource", "held", "requested_at"], name="aegis_lease_queue")]


class Concurrency(models.Model):
    """The limit found out for a server and its model (`aegis_assets/pipeline/concurrency_limit.py`), and its last progress.

    value, since, due: of state, as SQL reads them. version: counts the decisions, so that of two processes one makes each.
    """

    id = models.BigAutoField(primary_key=True)
    resource = models.CharField(max_length=32)
    server = models.CharField(max_length=300)
    value = models.PositiveIntegerField()
    since = models.DateTimeField()
    due = models.PositiveIntegerField()
    state = models.JSONField(db_default={})
    version = models.BigIntegerField(db_default=0)
    decided_at = models.DateTimeField(db_default=Now())
    progress_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "aegis_concurrency"
        constraints = [models.UniqueConstraint(fields=["resource", "server"], name="aegis_concurrency_server")]


class Answer(models.Model):
    """An answered request to a limited server, for some minutes. waited: seconds to the first token, NULL where none was noted."""

    id = models.BigAutoField(primary_key=True)
    resource = models.CharField(max_length=32)
    server = models.CharField(max_length=300)
    in_flight = models.PositiveIntegerField()
    granted_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    waited = models.FloatField(null=True)
    served = models.FloatField(null=True)
    tokens = models.PositiveIntegerField(db_default=0)

    class Meta:
        db_table = "aegis_answer"
        indexes = [models.Index(fields=["resource", "server", "ended_at"], name="aegis_answer_recent")]


class Limit(models.Model):
    """A number of config/parallelization.yml changed in the admin; acts on running work."""

    name = models.CharField(_("name"), max_length=64, primary_key=True)
    value = models.PositiveIntegerField(
        _("value"),
    )
    updated_at = models.DateTimeField(_("changed"), db_default=Now())

    class Meta:
        verbose_name = _("limit")
        verbose_name_plural = _("limits")
        db_table = "aegis_limit"

    def __str__(self) -> str:
        return self.name


class LlmUsage(models.Model):
    """What a language model that is paid for has had in a calendar month (UTC). tokens: those of requests in flight included, as
    they were estimated; the others as the server counted them."""

    month = models.DateField(primary_key=True)
    tokens = models.BigIntegerField(db_default=0)
    prompt_tokens = models.BigIntegerField(db_default=0)
    completion_tokens = models.BigIntegerField(db_default=0)
    requests = models.BigIntegerField(db_default=0)

    class Meta:
        db_table = "aegis_llm_usage"
