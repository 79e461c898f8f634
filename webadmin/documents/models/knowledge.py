"""What extractors found in chunks, and which names are one."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from webadmin.documents.models.content import Chunk, Collection, Document


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
    """A name in a collection. id: model.ids.entity_id. canonical: itself, or the entity that it is an alias of.

    type: of the entity, by the votes of the live mentions of all its names; before the first of them, the first that was given.

    resolved: by which rules it was compared with the other names (pipeline.resolve.rules_fingerprint), empty before.
    """

    id = models.UUIDField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="entities")
    canonical = models.ForeignKey("self", on_delete=models.CASCADE, related_name="aliases", db_constraint=False)
    type = models.CharField(max_length=64)
    name = models.CharField(max_length=512)
    normalised = models.CharField(max_length=512)
    resolved = models.CharField(max_length=64, db_default="")

    class Meta:
        db_table = "aegis_entity"
        indexes = [
            models.Index(fields=["collection", "normalised"], name="aegis_entity_name"),
            models.Index(fields=["canonical"], name="aegis_entity_canonical"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.type})"


class EntityBlock(models.Model):
    """A key of which two names must share one to be compared at all (pipeline.resolve.blocks).

    A row each, because a read of the index stops at the limit of names that are wanted, where one of an array's reads all that
    there are. Goes with its entity by a foreign key of the database (migration 0013), whoever deletes that.
    """

    pk = models.CompositePrimaryKey("collection_id", "key", "entity_id")
    collection = models.ForeignKey(Collection, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False)
    key = models.CharField(max_length=128, db_collation="C")
    entity = models.ForeignKey(Entity, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False)

    class Meta:
        db_table = "aegis_entity_block"
        indexes = [models.Index(fields=["entity"], name="aegis_entity_block_entity")]
        default_permissions = ()


class CrowdedBlock(models.Model):
    """A key that too many names share: no two names are compared by it, and what had been merged by it alone is dissolved."""

    pk = models.CompositePrimaryKey("collection_id", "key")
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=128, db_collation="C")

    class Meta:
        db_table = "aegis_crowded_block"
        default_permissions = ()


class Merge(models.Model):
    """A recorded reason why two names are one entity; undone ones stay, so that the decision outlives re-ingestion.

    left < right, by id. Entities are joined when a chain of merges that are not undone connects them.
    block: the key by which the two were compared, empty for what a person decided.
    """

    id = models.BigAutoField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="merges", verbose_name=_("collection"))
    left = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="+", verbose_name=_("left"))
    right = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="+", verbose_name=_("right"))
    reason = models.CharField(_("reason"), max_length=32)
    score = models.FloatField(_("score"), db_default=1.0)
    undone = models.BooleanField(_("undone"), db_default=False)
    block = models.CharField(max_length=128, db_collation="C", db_default="", editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("merge")
        verbose_name_plural = _("merges")
        db_table = "aegis_merge"
        constraints = [models.UniqueConstraint(fields=["left", "right"], name="aegis_merge_pair")]
        indexes = [models.Index(fields=["collection", "block"], condition=~models.Q(block=""), name="aegis_merge_block")]

    def __str__(self) -> str:
        return f"{self.left.name} = {self.right.name}"


class Decision(models.Model):
    """What a person decided about names: a merge or a split. Its effect is rows of Merge; here is what undoing needs.

    names: of a merge the two entities, of a split one that stayed and then those taken out. before, after: of each row touched.
    No names are kept, only ids: what is removed with its document must not live on here.
    """

    id = models.BigAutoField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16)
    names = ArrayField(models.UUIDField())
    before = models.JSONField()
    after = models.JSONField()
    decided_by = models.CharField(max_length=255, db_default="")
    created_at = models.DateTimeField(db_default=Now())
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=255, db_default="")

    class Meta:
        db_table = "aegis_decision"
        ordering = ["-id"]
        default_permissions = ()
        indexes = [models.Index(fields=["collection", "-id"], name="aegis_decision_newest")]


class SurfaceForm(models.Model):
    """A form of a name in live chunks, and a type that its mentions there vote for (aegis_assets.stores.ledger.voting).

    name: a short form that documents have joined with the name, '' for the name itself. normalised: of a short form. mentions,
    weight: sums, kept by difference. Goes with its entity by a foreign key of the database (migration 0017).
    """

    pk = models.CompositePrimaryKey("entity_id", "name", "type")
    entity = models.ForeignKey(Entity, on_delete=models.DO_NOTHING, related_name="forms", db_constraint=False, db_index=False)
    name = models.CharField(max_length=512)
    type = models.CharField(max_length=64)
    normalised = models.CharField(max_length=512)
    mentions = models.IntegerField()
    weight = models.BigIntegerField()

    class Meta:
        db_table = "aegis_surface_form"
        indexes = [models.Index(fields=["normalised"], condition=~models.Q(name=""), name="aegis_surface_form_short")]
        default_permissions = ()


class Mention(models.Model):
    """An entity's name in a chunk's text, at [start, end). type, confidence: its vote. inexact: the extractor spelled it otherwise.

    joined_from: the entity of its own name, where that is the short form of another name of the document, whose entity it has then.
    """

    id = models.BigAutoField(primary_key=True)
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="mentions")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+", db_index=False)
    entity = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="mentions", db_index=False)
    joined_from = models.UUIDField(null=True)
    name = models.CharField(max_length=512)
    type = models.CharField(max_length=64, db_default="")
    confidence = models.FloatField(db_default=1.0)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    inexact = models.BooleanField(db_default=False)

    class Meta:
        db_table = "aegis_mention"
        indexes = [
            models.Index(fields=["document", "entity"], name="aegis_mention_document"),
            models.Index(fields=["entity", "document"], name="aegis_mention_entity"),
        ]


class Relation(models.Model):
    """One chunk's statement that source stands in a relation to target, said by the text at [start, end).

    source_joined_from, target_joined_from: as in a Mention. addressed: that text speaks to its reader or to a language model, and
    may be an instruction instead of a statement.
    """

    id = models.BigAutoField(primary_key=True)
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="relations")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+", db_index=False)
    source = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="+", db_index=False)
    target = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="+", db_index=False)
    source_joined_from = models.UUIDField(null=True)
    target_joined_from = models.UUIDField(null=True)
    type = models.CharField(max_length=64)
    confidence = models.FloatField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    addressed = models.BooleanField(db_default=False)

    class Meta:
        db_table = "aegis_relation"
        indexes = [
            models.Index(fields=["document", "source"], name="aegis_relation_source"),
            models.Index(fields=["target", "document"], name="aegis_relation_target"),
            # The most certain statements of two names first, also where thousands are equally certain.
            models.Index(fields=["source", "type", "target", "-confidence", "chunk", "start"], name="aegis_relation_best"),
        ]
