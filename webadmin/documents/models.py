"""The ledger's tables. Django owns the schema by its migrations; `aegis_assets/stores/ledger` speaks psycopg to the same tables.

Ids are deterministic (`aegis_assets.model.ids`) wherever a retry could write a row twice. Defaults that psycopg relies on are
`db_default`, so that the database fills them whoever inserts.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now

from aegis_assets.model.document import Mark, Stage, State

STATES = [(state.value, state.value) for state in State]
STAGES = [(stage.value, stage.value) for stage in Stage]
MARKS = [(mark.value, mark.value) for mark in Mark]


class Collection(models.Model):
    """A named knowledge base: its own vector collection, graph scope and extraction schema."""

    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=63, unique=True)
    description = models.TextField(blank=True, db_default="")
    entity_types = ArrayField(models.CharField(max_length=64), blank=True, db_default=[])
    relation_types = ArrayField(models.CharField(max_length=64), blank=True, db_default=[])
    prompt = models.TextField(blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "aegis_collection"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Document(models.Model):
    """One logical source in a collection. Its id is the Dagster partition key and never changes.

    source_key: file name of an upload, object key of a bucket. blob: bucket key of the newest bytes (empty for a
    watched object that no run has fetched yet). sha256: of the newest bytes. message: the public sentence that goes with the state.
    run_id: the run that may write; any other run is superseded. run_claimed_at: when a launch was claimed, so that a claim whose
    launcher died is found.
    """

    id = models.UUIDField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="documents")
    name = models.CharField(max_length=255)
    source = models.CharField(max_length=16, choices=[("upload", "upload"), ("bucket", "bucket")])
    source_key = models.CharField(max_length=1024)
    state = models.CharField(max_length=16, choices=STATES, db_default="pending")
    message = models.TextField(blank=True, db_default="")
    blob = models.CharField(max_length=255, blank=True, db_default="")
    sha256 = models.CharField(max_length=64, blank=True, db_default="")
    size = models.BigIntegerField(db_default=0)
    format = models.CharField(max_length=32, blank=True, db_default="")
    media_type = models.CharField(max_length=128, blank=True, db_default="")
    parser = models.CharField(max_length=128, blank=True, db_default="")
    extractor = models.CharField(max_length=128, blank=True, db_default="")
    embedder = models.CharField(max_length=128, blank=True, db_default="")
    live = models.ForeignKey("Generation", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    making = models.ForeignKey("Generation", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    run_id = models.CharField(max_length=64, blank=True, db_default="")
    run_claimed_at = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(db_default=False)
    fraction = models.FloatField(db_default=0.0)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "aegis_document"
        ordering = ["-created_at", "id"]
        constraints = [models.UniqueConstraint(fields=["collection", "source", "source_key"], name="aegis_document_source")]
        indexes = [
            models.Index(fields=["state", "created_at"], name="aegis_document_state"),
            models.Index(fields=["collection", "sha256"], name="aegis_document_sha256"),
            models.Index(fields=["-created_at", "id"], name="aegis_document_newest"),
        ]
        permissions = [
            ("ingest_document", "Can ingest, retry and cancel documents"),
            ("remove_document", "Can remove documents"),
        ]

    def __str__(self) -> str:
        return self.name


class Generation(models.Model):
    """One content of a document. `inspection` is the parser's, as JSON. Windows and placements of a superseded one are deleted."""

    id = models.BigAutoField(primary_key=True)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="generations")
    number = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    blob = models.CharField(max_length=255)
    size = models.BigIntegerField(db_default=0)
    state = models.CharField(
        max_length=16, choices=[(word, word) for word in ("making", "live", "superseded")], db_default="making"
    )
    inspection = models.JSONField(null=True)
    plan_fingerprint = models.CharField(max_length=64, blank=True, db_default="")
    pages = models.PositiveIntegerField(null=True)
    chunks_added = models.PositiveIntegerField(db_default=0)
    chunks_kept = models.PositiveIntegerField(db_default=0)
    chunks_removed = models.PositiveIntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    published_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "aegis_generation"
        ordering = ["document", "number"]
        constraints = [models.UniqueConstraint(fields=["document", "number"], name="aegis_generation_number")]


class Window(models.Model):
    """A run of parts of one generation. id: model.ids.window_id. key: content hash of its parse.

    parse_fingerprint, enrich_fingerprint: of what made the present result; a stage is done when its mark is `done` and the
    fingerprint is the current one. parsed: the ParsedWindow as JSON.
    """

    id = models.UUIDField(primary_key=True)
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="windows")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="windows")
    ordinal = models.PositiveIntegerField()
    first = models.PositiveIntegerField()
    last = models.PositiveIntegerField()
    key = models.CharField(max_length=64)
    headings = models.JSONField(null=True)
    parse_state = models.CharField(max_length=16, choices=MARKS, db_default="pending")
    parse_fingerprint = models.CharField(max_length=64, blank=True, db_default="")
    parsed = models.JSONField(null=True)
    enrich_state = models.CharField(max_length=16, choices=MARKS, db_default="pending")
    enrich_fingerprint = models.CharField(max_length=64, blank=True, db_default="")
    started_at = models.DateTimeField(null=True)
    parsed_at = models.DateTimeField(null=True)
    enriched_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "aegis_window"
        ordering = ["generation", "ordinal"]
        constraints = [models.UniqueConstraint(fields=["generation", "ordinal"], name="aegis_window_ordinal")]
        indexes = [models.Index(fields=["document", "key"], name="aegis_window_key")]


class Chunk(models.Model):
    """A text that is embedded and extracted. id: model.ids.chunk_id. The n-th repeat of a text in a document is its own chunk."""

    id = models.UUIDField(primary_key=True)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    text_hash = models.CharField(max_length=64)
    repeat = models.PositiveIntegerField()
    text = models.TextField()
    tokens = models.PositiveIntegerField()

    class Meta:
        db_table = "aegis_chunk"
        constraints = [models.UniqueConstraint(fields=["document", "text_hash", "repeat"], name="aegis_chunk_text")]


class Placement(models.Model):
    """Where a chunk stands in one generation. A chunk may stand in two generations, at different places."""

    id = models.BigAutoField(primary_key=True)
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="placements")
    window = models.ForeignKey(Window, on_delete=models.CASCADE, related_name="placements")
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="placements")
    ordinal = models.PositiveIntegerField()
    headings = ArrayField(models.TextField(), db_default=[])
    pages = ArrayField(models.PositiveIntegerField(), db_default=[])
    boxes = models.JSONField(db_default=[])

    class Meta:
        db_table = "aegis_placement"
        ordering = ["window", "ordinal"]
        constraints = [
            models.UniqueConstraint(fields=["window", "ordinal"], name="aegis_placement_ordinal"),
            models.UniqueConstraint(fields=["generation", "chunk"], name="aegis_placement_chunk"),
        ]


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
        indexes = [models.Index(fields=["document", "stage", "state"], name="aegis_chunk_task_state")]


class Extraction(models.Model):
    """The cache: one extractor's result on one text, across documents and generations. payload: model.extraction.Extraction."""

    id = models.BigAutoField(primary_key=True)
    text_hash = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "aegis_extraction"
        constraints = [models.UniqueConstraint(fields=["text_hash", "fingerprint"], name="aegis_extraction_key")]


class Entity(models.Model):
    """A name of one type in a collection. id: model.ids.entity_id. canonical: itself, or the entity that it is an alias of.

    blocks: keys of which two names must share one to be compared at all (pipeline.resolve.blocks).
    """

    id = models.UUIDField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="entities")
    canonical = models.ForeignKey("self", on_delete=models.CASCADE, related_name="aliases", db_constraint=False)
    type = models.CharField(max_length=64)
    name = models.CharField(max_length=512)
    normalised = models.CharField(max_length=512)
    blocks = ArrayField(models.CharField(max_length=128), db_default=[])

    class Meta:
        db_table = "aegis_entity"
        indexes = [
            GinIndex(fields=["blocks"], name="aegis_entity_blocks"),
            models.Index(fields=["collection", "type", "normalised"], name="aegis_entity_name"),
            models.Index(fields=["canonical"], name="aegis_entity_canonical"),
        ]


class Merge(models.Model):
    """A recorded reason why two names are one entity; undone ones stay, so that the decision outlives re-ingestion.

    left < right, by id. Entities are joined when a chain of merges that are not undone connects them.
    """

    id = models.BigAutoField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="merges")
    left = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="+")
    right = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=32)
    score = models.FloatField(db_default=1.0)
    undone = models.BooleanField(db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "aegis_merge"
        constraints = [models.UniqueConstraint(fields=["left", "right"], name="aegis_merge_pair")]


class Mention(models.Model):
    """An entity's name in a chunk's text, at [start, end)."""

    id = models.BigAutoField(primary_key=True)
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="mentions")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    entity = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="mentions")
    name = models.CharField(max_length=512)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()

    class Meta:
        db_table = "aegis_mention"
        indexes = [models.Index(fields=["document", "entity"], name="aegis_mention_document")]


class Relation(models.Model):
    """One chunk's statement that source stands in a relation to target, said by the text at [start, end)."""

    id = models.BigAutoField(primary_key=True)
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="relations")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    source = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="+")
    target = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="+")
    type = models.CharField(max_length=64)
    confidence = models.FloatField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()

    class Meta:
        db_table = "aegis_relation"
        indexes = [models.Index(fields=["document"], name="aegis_relation_document")]


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
    """What one run did for one document: seconds by stage (summed over windows) and counts of work."""

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


class BucketObject(models.Model):
    """An object of a watched bucket as the sensor last saw it. etag: the store's, or size and time of a file."""

    id = models.BigAutoField(primary_key=True)
    bucket = models.CharField(max_length=512)
    key = models.CharField(max_length=1024)
    etag = models.CharField(max_length=255)
    size = models.BigIntegerField()
    document = models.ForeignKey(Document, on_delete=models.SET_NULL, null=True, related_name="bucket_objects")

    class Meta:
        db_table = "aegis_bucket_object"
        constraints = [models.UniqueConstraint(fields=["bucket", "key"], name="aegis_bucket_object_key")]


class Lease(models.Model):
    """A slot held or waited for. session: the advisory lock key of the holder's connection; it goes with the holder."""

    id = models.UUIDField(primary_key=True)
    resource = models.CharField(max_length=32)
    weight = models.PositiveIntegerField()
    owner = models.UUIDField()
    session = models.BigIntegerField()
    held = models.BooleanField(db_default=False)
    holder = models.CharField(max_length=128, db_default="")
    requested_at = models.DateTimeField(db_default=Now())
    granted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "aegis_lease"
        indexes = [models.Index(fields=["resource", "held", "requested_at"], name="aegis_lease_queue")]


class Limit(models.Model):
    """A number of config/parallelization.yml changed in the admin; acts on running work."""

    name = models.CharField(max_length=64, primary_key=True)
    value = models.PositiveIntegerField()
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "aegis_limit"
