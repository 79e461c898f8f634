"""The admin site: unfold's, with our sidebar and, as its first page, the dashboard."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from unfold.sites import UnfoldAdminSite

from webadmin.console import navigation


class ConsoleSite(UnfoldAdminSite):
    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from webadmin.console.dashboard.views import dashboard  # its queries need the models, which are loaded after the site

        return dashboard(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """One's own. What is changed for others, the page of people writes down."""
        from webadmin.console.audit import trail

        answer: HttpResponse = super().password_change(request, extra_context)
        if request.method == "POST" and answer.status_code == HTTPStatus.FOUND:
            trail.record(request, "user.password", request.user)
        return answer

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        return navigation.sidebar(request)
