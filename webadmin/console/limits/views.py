"""The page of limits: what each number is, where from, how much of it is used; a change of it, and the way back."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aegis_assets.errors import AegisError
from aegis_assets.logs import logger
from aegis_assets.stores.leases import CHOICE_WORDS, LIMITS
from webadmin.console.audit import trail
from webadmin.console.limits import queries
from webadmin.console.limits.forms import LimitsForm, was
from webadmin.console.limits.numbers import ACTING, AT_START, CHOICE, CHOICE_LABELS, changes, shown, shown_choice
from webadmin.console.page import READING, WRITING, page, render
from webadmin.documents import services
from webadmin.documents.models import Limit

log = logger(__name__)
TITLE = gettext_lazy("Limits")


@page("documents.view_limit", (*READING, *WRITING))
def limits(request: HttpRequest) -> HttpResponse:
    may_change = request.user.has_perm("documents.change_limit")
    changed = changes()
    numbers = {number.name: shown(number, changed) for number in ACTING}
    choice = shown_choice(changed)
    form = LimitsForm(numbers, choice, request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not may_change:
            raise PermissionDenied
        if form.is_valid():
            _save(request, form.changed)
            return HttpResponseRedirect(reverse("console:limits"))
    engaged = queries.engaged()
    context = {
        "choice": {
            "one": choice,
            "name": CHOICE,
            "field": form[CHOICE],
            "was": form[was(CHOICE)],
            "label": CHOICE_LABELS[choice.value],
        },
        "rows": [
            {
                "one": one,
                "field": form[name],
                "was": form[was(name)],
                "use": engaged.uses.get(name),
                "chosen": name == LIMITS["ollama"],
            }
            for name, one in numbers.items()
        ],
        "form": form,
        "may_change": may_change,
        "problem": engaged.problem,
        "fixed": [shown(number, {}) for number in AT_START],
    }
    return render(request, "console/limits/limits.html", context, title=TITLE, status=400 if form.errors else 200)


@page("documents.change_limit", WRITING)
def reset(request: HttpRequest) -> HttpResponse:
    """One number back to what the settings say."""
    name = request.POST.get("name", "")
    if name not in {CHOICE, *(number.name for number in ACTING)}:
        raise Http404("There is no such limit.")
    with transaction.atomic():
        row = Limit.objects.select_for_update().filter(pk=name).first()
        if row is not None:
            trail.record(request, "limit.delete", row, before=row.value)
            row.delete()
            transaction.on_commit(_announce)
    messages.success(request, _("{} is as the settings say again.").format(_label(name)))
    return HttpResponseRedirect(reverse("console:limits"))


@page("documents.view_limit")
def use(request: HttpRequest) -> HttpResponse:
    """The moving parts of the page, each put in its place."""
    engaged = queries.engaged()
    return TemplateResponse(request, "console/limits/uses.html", {"uses": engaged.uses.values(), "problem": engaged.problem})


@page("documents.view_limit")
def dagster(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "console/limits/dagster.html", {"dagster": queries.dagster()})


def _save(request: HttpRequest, wanted: Mapping[str, int]) -> None:
    with transaction.atomic():
        before = {row.pk: row for row in Limit.objects.select_for_update().filter(pk__in=wanted)}
        for name, value in wanted.items():
            old = before.get(name)
            row, _made = Limit.objects.update_or_create(pk=name, defaults={"value": value, "updated_at": timezone.now()})
            action = "limit.change" if old else "limit.add"
            trail.record(request, action, row, before=old.value if old else None, after=value)
        if wanted:
            transaction.on_commit(_announce)
    for name, value in wanted.items():
        said = CHOICE_LABELS[CHOICE_WORDS[value]] if name == CHOICE else value
        messages.success(request, _("{} is {} now.").format(_label(name), said))
    if not wanted:
        messages.info(request, _("Nothing was changed."))


def _announce() -> None:
    """Untold, running work finds the change within two seconds: no reason to fail what is saved already."""
    try:
        services.limits_changed()
    except AegisError as error:
        log.warning("limits_not_announced", kind=error.kind)


def _label(name: str) -> str:
    if name == CHOICE:
        return _("Requests in flight")
    return next(str(number.label) for number in ACTING if number.name == name)
