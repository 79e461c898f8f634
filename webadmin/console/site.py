"""The admin site: unfold's, with our sidebar and, as its first page, the dashboard."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from unfold.sites import UnfoldAdminSite

from webadmin.console import navigation


class ConsoleSite(UnfoldAdminSite):
    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from webadmin.console.dashboard.views import dashboard  # its queries need the models, which are loaded after the site

        return dashboard(request)

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        return navigation.sidebar(request)
