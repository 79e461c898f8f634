"""What a password must be, and what ends with it: the API tokens that were made under it. Django ends the sessions itself."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.hashers import is_password_usable
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import MinimumLengthValidator
from django.db.models.signals import pre_save
from django.utils.translation import gettext as _

from webadmin.console.audit import trail
from webadmin.console.models import ApiToken
from webadmin.console.people import tokens


class LengthValidator(MinimumLengthValidator):
    """A minimum of characters. As a validator it hears of passwords that are changed, in whatever way, and not of hashes that
    Django makes anew with more rounds."""

    def password_changed(self, password: str, user: Any = None) -> None:
        end_tokens(user)

    def get_help_text(self) -> str:
        return f"{super().get_help_text()} {_('A new password ends all sessions elsewhere and all API tokens.')}"


def connect() -> None:
    pre_save.connect(_saved, sender=User, dispatch_uid="console.password_taken_away")


def end_tokens(user: User) -> None:
    gone = tokens.revoke(ApiToken.objects.filter(user=user))
    trail.record_each(trail.Actor(None, ""), "apitoken.revoke", gone, cause="password")


def _saved(sender: object, instance: User, **_kwargs: object) -> None:
    """A password that is taken away is a changed one too, of which validators do not hear."""
    if instance.pk is None or instance.has_usable_password():
        return
    before = User.objects.filter(pk=instance.pk).values_list("password", flat=True).first()
    if before is not None and is_password_usable(before):
        end_tokens(instance)
