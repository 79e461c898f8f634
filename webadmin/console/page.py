"""What every page and every address of the API shares: who may ask, by which method, and the frame around the answer.

Permissions are checked here, on the server, for sync and async views alike. A page sends a stranger to the log-in; an address of
the API answers 401 and 403 in JSON, because a redirect to a page would look like a reply to a script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

View = Callable[..., Any]
Refuse = Callable[[HttpRequest, bool], HttpResponse]
READING: Final = ("GET", "HEAD")
WRITING: Final = ("POST",)
Crumb = tuple[str | Promise, str]


def page(permission: str = "", methods: Sequence[str] = READING) -> Callable[[View], View]:
    """For views that answer with HTML. permission: "app.codename", '' for whoever may use the console at all."""
    return lambda view: _guarded(view, permission, methods, _refuse_person)


def api(permission: str = "", methods: Sequence[str] = READING) -> Callable[[View], View]:
    """For views that answer with JSON or a stream of events."""
    return lambda view: _guarded(view, permission, methods, _refuse_script)


def render(
    request: HttpRequest,
    template: str,
    context: Mapping[str, object],
    *,
    title: str | Promise,
    crumbs: Sequence[Crumb] = (),
    status: int = 200,
) -> TemplateResponse:
    """A page in the console's frame. crumbs: titles and addresses of the pages above it."""
    whole = {**admin.site.each_context(request), "title": title, "crumbs": crumbs, **context}
    return TemplateResponse(request, template, whole, status=status)


def _guarded(view: View, permission: str, methods: Sequence[str], refuse: Refuse) -> View:
    if iscoroutinefunction(view):

        @wraps(view)
        async def answer_async(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            if request.method not in methods:
                return _wrong_method(methods, refuse)
            user = await request.auser()
            if not (user.is_authenticated and user.is_active and user.is_staff):
                return refuse(request, user.is_authenticated)
            if permission and not await user.ahas_perm(permission):
                return refuse(request, True)
            return await view(request, *args, **kwargs)

        return never_cache(answer_async)

    @wraps(view)
    def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.method not in methods:
            return _wrong_method(methods, refuse)
        user = request.user
        if not (user.is_authenticated and user.is_active and user.is_staff):
            return refuse(request, user.is_authenticated)
        if permission and not user.has_perm(permission):
            return refuse(request, True)
        return view(request, *args, **kwargs)

    return never_cache(answer)


def _wrong_method(methods: Sequence[str], refuse: Refuse) -> HttpResponse:
    if refuse is not _refuse_script:
        return HttpResponseNotAllowed(methods)
    sentence = _("This address takes {} only.").format(", ".join(methods))
    return JsonResponse({"error": sentence}, status=405, headers={"Allow": ", ".join(methods)})


def _refuse_person(request: HttpRequest, known: bool) -> HttpResponse:
    if known:
        raise PermissionDenied
    log_in = redirect_to_login(request.get_full_path(), reverse("admin:login"))
    if "HX-Request" not in request.headers:
        return log_in
    return HttpResponse(headers={"HX-Redirect": reverse("admin:login")})  # a part of a page must not be filled with the log-in


def _refuse_script(request: HttpRequest, known: bool) -> HttpResponse:
    if known:
        return JsonResponse({"error": _("You may not do this.")}, status=403)
    return JsonResponse({"error": _("Log in first.")}, status=401)
