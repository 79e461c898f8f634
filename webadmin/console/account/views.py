"""A person's own account: their API tokens. A token is shown in the answer to the request that made it, and never again."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webadmin.console.audit import trail
from webadmin.console.models import ApiToken
from webadmin.console.page import READING, WRITING, page, render
from webadmin.console.people import tokens

MOST_DAYS = 3650


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        label=gettext_lazy("What it is for"),
        widget=forms.TextInput({"class": "input", "autocomplete": "off"}),
    )
    days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_DAYS,
        initial=90,
        label=gettext_lazy("Days until it expires"),
        help_text=gettext_lazy("Left empty, it never does."),
        widget=forms.NumberInput({"class": "input"}),
    )


@page(methods=(*READING, *WRITING))
def account(request: HttpRequest) -> HttpResponse:
    form = TokenForm(request.POST if request.method == "POST" else None)
    secret = ""
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            token, secret = tokens.make(request.user, form.cleaned_data["name"], form.cleaned_data["days"])
            trail.record(request, "apitoken.add", token)
        form = TokenForm()
    context = {"form": form, "secret": secret, "tokens": ApiToken.objects.filter(user=request.user, revoked_at=None)}
    return render(request, "console/account/account.html", context, title=_("Your account"))


@page(methods=WRITING)
def revoke(request: HttpRequest, token: int) -> HttpResponse:
    with transaction.atomic():
        gone = tokens.revoke(ApiToken.objects.filter(pk=token, user=request.user))
        trail.record_each(request, "apitoken.revoke", gone)
    if gone:
        messages.success(request, _("The token is revoked."))
    return HttpResponseRedirect(reverse("console:account"))
