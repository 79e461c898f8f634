from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class ConsoleConfig(AppConfig):
    name = "webadmin.console"
    label = "console"
    verbose_name = _("Console")

    def ready(self) -> None:
        from webadmin.console.audit import signals  # needs the models
        from webadmin.console.people import passwords, sessions

        signals.connect()
        passwords.connect()
        sessions.connect()


class ConsoleAdminConfig(AdminConfig):
    """Django's admin on our site, which is unfold's with our sidebar and dashboard."""

    default_site = "webadmin.console.site.ConsoleSite"
