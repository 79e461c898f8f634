"""What templates of the console write: `{{ document.state|word }}`, `{% state document.state %}`, `{{ failure.message|said }}`,
`{{ seconds|duration }}`."""

from __future__ import annotations

from django import template
from django.utils.html import format_html, json_script
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from webadmin.console import sentences
from webadmin.console import words as labels

register = template.Library()


@register.filter
def word(kept: object) -> str:
    """A state, mark or stage in the reader's language."""
    return labels.word(str(kept))


@register.filter
def kind(kept: object) -> str:
    """Of a failure, in the reader's language."""
    return labels.kind(str(kept))


@register.filter
def reason(kept: object) -> str:
    """Why two names are one, in the reader's language."""
    return labels.reason(str(kept))


@register.filter
def said(sentence: object) -> str:
    """A sentence of the platform in the reader's language."""
    return sentences.said(sentence)


@register.filter
def act(action: object) -> str:
    """What the audit trail calls something, in the reader's language."""
    return labels.act(str(action))


@register.filter
def unlocalised(number: float) -> str:
    """For an attribute that a browser reads as a number: German writes 0,5."""
    return f"{number:.4f}" if isinstance(number, float) else str(number)


@register.filter
def duration(seconds: float | None) -> str:
    """90 -> "1 min 30 s". At most two units, '' for None."""
    if seconds is None:
        return ""
    left = round(seconds)
    if left < 60:
        return _("{} s").format(left)
    if left < 3600:
        return _("{} min {} s").format(*divmod(left, 60))
    return _("{} h {} min").format(left // 3600, left % 3600 // 60)


@register.simple_tag
def state(kept: object, field: str = "") -> SafeString:
    """The same as a coloured label. field: what a script finds it by."""
    return format_html('<span class="state state-{}" data-field="{}">{}</span>', kept, field or "state", labels.word(str(kept)))


@register.simple_tag
def words() -> SafeString:
    """All words, for a script, as data that is not executed."""
    return json_script(labels.words(), "words")
