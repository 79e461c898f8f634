"""What the console itself keeps: who did what, and the tokens of the API."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class AuditEntry(models.Model):
    """Who did what, when, to what. Names are kept as they were: a trail outlives the people and things it speaks of, which is why
    Django's LogEntry, whose rows go with their user, does not do.

    action: "kind.verb". actor: the user's name, or the command line's. address: where a log-in came from, '' otherwise.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(_("when"), db_default=Now())
    actor_id = models.BigIntegerField(null=True)
    actor = models.CharField(_("who"), max_length=255, db_default="")
    token = models.CharField(_("token"), max_length=100, blank=True, db_default="")
    action = models.CharField(_("action"), max_length=64)
    target_kind = models.CharField(_("kind"), max_length=64, blank=True, db_default="")
    target_id = models.CharField(_("id"), max_length=64, blank=True, db_default="")
    target = models.CharField(_("what"), max_length=512, blank=True, db_default="")
    details = models.JSONField(_("details"), db_default={})
    address = models.CharField(_("address"), max_length=64, blank=True, db_default="")

    class Meta:
        db_table = "aegis_audit"
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ["-id"]
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["action", "at"], name="aegis_audit_action"),
            models.Index(fields=["target_kind", "target_id"], name="aegis_audit_target"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target}".strip()


class ApiToken(models.Model):
    """The right to use the API as its user. Only a hash is kept; 256 random bits need no slow one. start: what it is known by."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens", verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=100)
    start = models.CharField(_("begins with"), max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"), null=True)
    used_at = models.DateTimeField(_("last used"), null=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True)

    class Meta:
        db_table = "aegis_api_token"
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-id"]
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return self.name
