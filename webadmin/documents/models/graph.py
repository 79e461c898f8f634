"""Tables of what the graph has to hold, and of what must still be written there: see `aegis_assets.stores.ledger.evidence`.

Design note: collections are named without a constraint, whose check would lock the collection's row for each row written.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from webadmin.documents.models.content import Collection


class GraphEntity(models.Model):
    """A canonical entity with evidence in live chunks. id: of the Entity. chunks, documents: how many name it or an alias."""

    id = models.UUIDField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    chunks = models.IntegerField()
    documents = models.IntegerField()

    class Meta:
        db_table = "aegis_graph_entity"
        default_permissions = ()
        indexes = [
            models.Index(fields=["collection", "id"], name="aegis_graph_entity_page"),
            models.Index(fields=["collection", "-chunks", "id"], name="aegis_graph_entity_most"),
        ]


class GraphRelation(models.Model):
    """A relation with evidence in a live chunk. id: model.ids.relation_id. source, target: canonical entities."""

    id = models.UUIDField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    source_id = models.UUIDField()
    type = models.CharField(max_length=64)
    target_id = models.UUIDField()
    chunks = models.IntegerField()
    documents = models.IntegerField()

    class Meta:
        db_table = "aegis_graph_relation"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["source_id", "type", "target_id"], name="aegis_graph_relation_ends")]
        indexes = [
            models.Index(fields=["target_id"], name="aegis_graph_relation_target"),
            models.Index(fields=["collection", "id"], name="aegis_graph_relation_page"),
        ]


class Outbox(models.Model):
    """An object of graph or vectors that may differ from the ledger. kind, key: model.outbox.Key; a relation also has its ends.

    version: counts how often it was marked. document: whose publishing marked it last, no constraint, because that may be gone.
    claimed_by: who is writing it just now, empty for nobody.
    """

    id = models.BigAutoField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    kind = models.CharField(max_length=16)
    key = models.UUIDField()
    source_id = models.UUIDField(null=True)
    type = models.CharField(max_length=64, db_default="")
    target_id = models.UUIDField(null=True)
    version = models.BigIntegerField(db_default=0)
    document_id = models.UUIDField(null=True)
    marked_at = models.DateTimeField(db_default=Now())
    claimed_by = models.CharField(max_length=64, db_default="")
    claimed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "aegis_outbox"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["collection", "kind", "key"], name="aegis_outbox_key")]
        indexes = [
            models.Index(fields=["document_id"], name="aegis_outbox_document"),
            models.Index(fields=["claimed_by"], name="aegis_outbox_claimed", condition=~models.Q(claimed_by="")),
        ]


class Home(models.Model):
    """A name that a live chunk is about: its document's title, or a heading of which it is the first chunk (stores.ledger.homes).

    name: normalised, as an entity's. lead: its first words, by which names are looked up that a text may hold.
    """

    pk = models.CompositePrimaryKey("chunk_id", "name")
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    document_id = models.UUIDField()
    chunk_id = models.UUIDField()
    name = models.CharField(max_length=512, db_collation="C")
    lead = models.CharField(max_length=512, db_collation="C")

    class Meta:
        db_table = "aegis_home"
        default_permissions = ()
        indexes = [
            models.Index(fields=["document_id"], name="aegis_home_document"),
            models.Index(fields=["collection", "name", "chunk_id"], name="aegis_home_name"),
            models.Index(fields=["collection", "lead", "name"], name="aegis_home_lead"),
        ]


class Description(models.Model):
    """What an entity is: text[start:end] of a live chunk (stores.ledger.describing), none where no sentence says it.

    evidence: how many chunks named the entity when it was described. text: what a language model said instead, '' for nothing.
    asked: how many chunks named it when the model was asked, 0 for never.
    """

    entity_id = models.UUIDField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    document_id = models.UUIDField(null=True)
    chunk_id = models.UUIDField(null=True)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    evidence = models.IntegerField()
    text = models.TextField(db_default="")
    asked = models.IntegerField(db_default=0)

    class Meta:
        db_table = "aegis_description"
        default_permissions = ()
        indexes = [models.Index(fields=["document_id", "chunk_id"], name="aegis_description_place")]


class DescriptionSource(models.Model):
    """A sentence that a language model's description of an entity was made from: text[start:end] of the chunk."""

    id = models.BigAutoField(primary_key=True)
    entity_id = models.UUIDField()
    document_id = models.UUIDField()
    chunk_id = models.UUIDField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()

    class Meta:
        db_table = "aegis_description_source"
        default_permissions = ()
        indexes = [
            models.Index(fields=["entity_id"], name="aegis_description_source_of"),
            models.Index(fields=["document_id", "chunk_id"], name="aegis_description_source_in"),
        ]
