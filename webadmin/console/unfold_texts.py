"""Texts of unfold and Django that have no German of their own: said here so that our catalogue has them."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

TEXTS: Final[tuple[Promise, ...]] = (
    _("Type to search"),
    _("No results found"),
    _("This page yielded into no results. Create a new item or reset your filters."),
    _("Reset filters"),
    _("Apply filters"),
    _("Select all rows"),
    _("Select action"),
    _("Select record"),
    _("Welcome back to"),
    _("More actions"),
)
