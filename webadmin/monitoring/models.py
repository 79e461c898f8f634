"""What metrics count, kept beside the rows that it is counted from: a removed document takes its rows along, and a counter must
never fall."""

from __future__ import annotations

from django.db import models


class Total(models.Model):
    """Written by triggers (migration 0002). labels: of the metric, in the order in which its name is known to have them."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=64)
    labels = models.CharField(max_length=128, db_default="")
    value = models.FloatField(db_default=0)

    class Meta:
        db_table = "aegis_total"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["name", "labels"], name="aegis_total_key")]
