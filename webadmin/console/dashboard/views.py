"""The dashboard: the page, and its two parts that htmx fetches again. Health is asked apart: a part that is away takes seconds."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from webadmin.console.dashboard import queries
from webadmin.console.page import page, render
from webadmin.monitoring.doctor import diagnose
from webadmin.shared_reading import shared_readings

HEALTH_SECONDS: Final = 15.0


@page()
def dashboard(request: HttpRequest) -> HttpResponse:
    """Whoever has logged in comes here; without a permission to see documents there is nothing to see."""
    sees = request.user.has_perm("documents.view_document")
    context = {"sees": sees, "work": queries.work() if sees else None}
    return render(request, "console/dashboard/dashboard.html", context, title=_("Dashboard"))


@page("documents.view_document")
def work(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "console/dashboard/work.html", {"work": queries.work()})


@page("documents.view_document")
def health(request: HttpRequest) -> HttpResponse:
    """Every engine and store. Viewers share one diagnosis for some seconds."""
    checks = shared_readings.get("console.health", diagnose, HEALTH_SECONDS)
    ailing = [check for check in checks if not check.ok]
    well = [check for check in checks if check.ok]
    return TemplateResponse(request, "console/dashboard/health.html", {"ailing": ailing, "well": well})
