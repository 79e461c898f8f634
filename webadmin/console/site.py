"""The admin site: unfold's, with our sidebar and, as its first page, the dashboard."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver
from unfold.sites import UnfoldAdminSite

from aegis_assets.perimeter import is_loopback
from aegis_assets.settings import settings
from webadmin.console import navigation


class ConsoleSite(UnfoldAdminSite):
    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """plain_http: whoever asks from another machine, by its name or address, does so without https."""
        host = urlsplit(f"//{request.get_host()}").hostname or ""
        plain = settings().plain_http and not request.is_secure() and not is_loopback(host)
        return {**super().each_context(request), "plain_http": plain}

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

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Without `r/<type>/<id>/`, Django's way to an object's own page: nothing here has one, and to an id that is no UUID it
        answers by an error."""
        return [address for address in super().get_urls() if getattr(address, "name", "") != "view_on_site"]

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        return navigation.sidebar(request)
