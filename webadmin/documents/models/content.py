"""What is kept of documents: collections, contents, how they are cut, and where they come from."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from aegis_assets.model.document import Mark, State
from aegis_assets.model.waiting import Waiting, sentence

STATES = [(state.value, state.value) for state in State]
SOURCES = [("upload", _("upload")), ("bucket", _("bucket"))]
MARKS = [(mark.value, mark.value) for mark in Mark]


class Collection(models.Model):
    """A named knowledge base: its own vector collection, graph scope and extraction schema. model: empty for AEGIS_OLLAMA_MODEL.
    pairs: see Schema.

    vectors: a VectorSettings as JSON. embedder: the EmbedderInfo of what fills the vector collection, None before the first run.
    """

    id = models.UUIDField(primary_key=True)
    name = models.CharField(_("name"), max_length=63, unique=True)
    description = models.TextField(_("description"), blank=True, db_default="")
    entity_types = ArrayField(models.CharField(max_length=64), blank=True, db_default=[], verbose_name=_("entity types"))
    relation_types = ArrayField(models.CharField(max_length=64), blank=True, db_default=[], verbose_name=_("relation types"))
    prompt = models.TextField(_("prompt"), blank=True, db_default="")
    model = models.CharField(_("language model"), max_length=128, blank=True, db_default="")
    pairs = models.BooleanField(_("two chunks at once"), db_default=False)
    vectors = models.JSONField(_("vector settings"), blank=True, db_default={})
    embedder = models.JSONField(blank=True, null=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("collection")
        verbose_name_plural = _("collections")
        db_table = "aegis_collection"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Document(models.Model):
    """One logical source in a collection. Its id never changes, nor does its partition in Dagster.

    source_key: file name of an upload, object key of a bucket. blob: bucket key of the newest bytes (empty for a
    watched object that no run has fetched yet). sha256: of the newest bytes. message: the public sentence that goes with the state.
    run_id: the run that may write; any other run is superseded. run_claimed_at: when a launch was claimed, so that a claim whose
    launcher died is found. waiting_for, not_before, waiting_since, waits: of a pending document that met an outage, see
    aegis_assets.model.waiting. removal_attempts, removal_due_at: how often its removal has failed, and when it is tried again.
    """

    id = models.UUIDField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="documents", verbose_name=_("collection"))
    name = models.CharField(_("name"), max_length=255)
    source = models.CharField(_("source"), max_length=16, choices=SOURCES)
    source_key = models.CharField(max_length=1024)
    state = models.CharField(_("state"), max_length=16, choices=STATES, db_default="pending")
    message = models.TextField(blank=True, db_default="")
    blob = models.CharField(max_length=255, blank=True, db_default="")
    sha256 = models.CharField(max_length=64, blank=True, db_default="")
    size = models.BigIntegerField(db_default=0)
    format = models.CharField(_("format"), max_length=32, blank=True, db_default="")
    media_type = models.CharField(max_length=128, blank=True, db_default="")
    parser = models.CharField(max_length=128, blank=True, db_default="")
    extractor = models.CharField(max_length=128, blank=True, db_default="")
    embedder = models.CharField(max_length=128, blank=True, db_default="")
    live = models.ForeignKey("Generation", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    making = models.ForeignKey("Generation", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    run_id = models.CharField(max_length=64, blank=True, db_default="")
    run_claimed_at = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(db_default=False)
    removal_attempts = models.PositiveIntegerField(db_default=0)
    removal_due_at = models.DateTimeField(null=True, blank=True)
    fraction = models.FloatField(db_default=0.0)
    waiting_for = models.CharField(max_length=64, blank=True, db_default="")
    not_before = models.DateTimeField(null=True, blank=True)
    waiting_since = models.DateTimeField(null=True, blank=True)
    waits = models.PositiveIntegerField(db_default=0)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        db_table = "aegis_document"
        ordering = ["-created_at", "id"]
        constraints = [models.UniqueConstraint(fields=["collection", "source", "source_key"], name="aegis_document_source")]
        indexes = [
            models.Index(fields=["state", "created_at"], name="aegis_document_state"),
            models.Index(fields=["collection", "sha256"], name="aegis_document_sha256"),
            models.Index(fields=["-created_at", "id"], name="aegis_document_newest"),
            models.Index(fields=["blob"], name="aegis_document_blob"),
            models.Index(
                fields=["waiting_for", "collection"],
                condition=Q(state="pending", not_before__isnull=False),
                name="aegis_document_waiting",
            ),
        ]
        permissions = [
            ("ingest_document", "Can ingest, retry and cancel documents"),
            ("remove_document", "Can remove documents"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def waiting(self) -> Waiting:
        """Return how it waits, if it does."""
        return Waiting.model_validate({name: getattr(self, name) for name in Waiting.model_fields})

    @property
    def sentence(self) -> str:
        """Return what goes with its state, as it is now."""
        return sentence(self.state, self.message, self.waiting)


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
    parser = models.CharField(max_length=128, blank=True, db_default="")
    extractor = models.CharField(max_length=128, blank=True, db_default="")
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
        indexes = [models.Index(fields=["blob"], name="aegis_generation_blob")]


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
    """A text that is embedded and extracted. id: model.ids.chunk_id. The n-th repeat of a text in a document is its own chunk.

    since: number of the generation that brought it, 0 where that was before this was written down.
    """

    id = models.UUIDField(primary_key=True)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    text_hash = models.CharField(max_length=64)
    repeat = models.PositiveIntegerField()
    text = models.TextField()
    tokens = models.PositiveIntegerField()
    since = models.PositiveIntegerField(db_default=0)

    class Meta:
        db_table = "aegis_chunk"
        constraints = [models.UniqueConstraint(fields=["document", "text_hash", "repeat"], name="aegis_chunk_text")]
        indexes = [models.Index(fields=["text_hash"], name="aegis_chunk_hash")]


class KeptEmbedding(models.Model):
    """A chunk's embedding (model.embedding.Embedding.pack), so that the vector store can be filled without an engine.

    It is of the embedder whose fingerprint the chunk's mark of embed has: both are written in one transaction.
    sparse_fingerprint: of its lexical weights, '' for the first version of these and where a model makes the sparse ones.
    language: code of the text's, '' if nothing tells it.
    """

    chunk = models.OneToOneField(Chunk, on_delete=models.CASCADE, primary_key=True, related_name="+")
    packed = models.BinaryField()
    sparse_fingerprint = models.CharField(max_length=64, db_default="")
    language = models.CharField(max_length=16, db_default="")

    class Meta:
        db_table = "aegis_embedding"


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


class Removed(models.Model):
    """A document that is gone, until no call that was made for it can come back any more. Written by a trigger on Document."""

    id = models.BigAutoField(primary_key=True)
    document_id = models.UUIDField()
    collection_id = models.UUIDField()
    removed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "aegis_removed"
        indexes = [models.Index(fields=["removed_at"], name="aegis_removed_at")]


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


class Listing(models.Model):
    """The last complete listing of a watched bucket. every_seconds: time within which the next one is expected."""

    bucket = models.CharField(max_length=512, primary_key=True)
    completed_at = models.DateTimeField()
    every_seconds = models.FloatField()

    class Meta:
        db_table = "aegis_listing"
        default_permissions = ()
