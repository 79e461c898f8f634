"""Messages: the richest part is read, attachments by the parser of their kind, charsets as they are meant."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage

import pytest

from tests.engines.parsing import makers
from tests.engines.parsing.conftest import Way

Run = Callable[..., Way]
TABLE = "<table><tr><th>Article</th><th>Price</th></tr><tr><td>Anchor</td><td>70</td></tr></table>"


def message(subject: str = "Order", text: str | None = "Words.") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "Ada <ada@example.org>", "bo@example.org", subject
    made["Date"] = "Tue, 03 Mar 2026 10:00:00 +0100"
    if text is not None:
        made.set_content(text)
    return made


def test_the_html_part_is_read_as_html(way: Run) -> None:
    made = message(text="Your program cannot show this.")
    made.add_alternative(f"<h2>Order 7</h2>{TABLE}", subtype="html")
    text = way(made.as_bytes(), "a.eml").text
    assert "From: Ada <ada@example.org>" in text
    assert "Article | Price\nAnchor | 70" in text
    assert "|-" not in text
    assert "cannot show" not in text


def test_the_plain_part_is_read_where_the_html_part_says_nothing(way: Run) -> None:
    made = message(text="All of the words are in this part of the message.")
    made.add_alternative("<p>See text.</p>", subtype="html")
    assert "All of the words" in way(made.as_bytes(), "a.eml").text


def test_attachments_are_read_under_their_names(way: Run) -> None:
    made = message()
    made.add_attachment(makers.docx(), maintype="application", subtype="octet-stream", filename="manual.docx")
    made.add_attachment(makers.xlsx(), maintype="application", subtype="octet-stream", filename="bolts.xlsx")
    made.add_attachment(bytes(range(256)), maintype="application", subtype="octet-stream", filename="x.bin")
    made.add_attachment(message("Inner subject", "Inner words."))
    first, second = way(made.as_bytes(), "a.eml"), way(made.as_bytes(), "a.eml")
    assert [draft.text for draft in first.chunks] == [draft.text for draft in second.chunks]
    headings = {draft.headings: draft.text for draft in first.chunks}
    assert "Oil it weekly." in headings["Order", "Attachments", "manual.docx", "Pump manual", "Care"]
    assert "M8 | 25 Nm" in headings["Order", "Attachments", "bolts.xlsx", "Bolts"]
    assert "This file was not read." in headings["Order", "Attachments", "x.bin"]
    assert "From: Ada" in headings["Order", "Attachments", "Inner subject"]
    assert "Inner words." in first.text


@pytest.mark.parametrize(
    ("declared", "real"), [("gb2312", "gb18030"), ("iso-8859-1", "cp1252"), ("us-ascii", "utf-8"), ("", "utf-8")]
)
def test_a_charset_that_does_not_fit_is_not_believed(way: Run, declared: str, real: str) -> None:
    words = "朱镕基先生确认水闸已经关闭。" if real == "gb18030" else "Prüfung – „erledigt“ für 5 €"
    head = f"Content-Type: text/plain{f'; charset={declared}' if declared else ''}\nContent-Transfer-Encoding: 8bit\n"
    content = (
        f"From: a@b.c\nTo: d@e.f\nSubject: =?utf-8?q?=C3=BCber?=\n =?utf-8?q?all?=\nMIME-Version: 1.0\n{head}\n".encode()
        + words.encode(real)
    )
    text = way(content, "a.eml").text
    assert words in text
    assert text.startswith("überall")


def test_a_mailbox_is_read_message_by_message(way: Run) -> None:
    posts = [
        b"From ada@example.org Tue Mar  3 10:00:00 2026\n" + message(f"Subject {number}", f"Body {number}.").as_bytes()
        for number in (1, 2)
    ]
    done = way(b"\n".join(posts), "a.mbox")
    assert {draft.headings[0] for draft in done.chunks} == {"Subject 1", "Subject 2"}


def test_a_saved_page_is_read_as_a_page(way: Run) -> None:
    made = EmailMessage()
    made["From"], made["Subject"], made["Date"] = "<Saved by Browser>", "Page", "Tue, 03 Mar 2026 10:00:00 +0100"
    made["Snapshot-Content-Location"] = "https://example.org/"
    made.set_content(f"<html><body><h1>Prices</h1>{TABLE}</body></html>", subtype="html")
    assert way(made.as_bytes(), "a.mht").text == "Prices\n\nArticle | Price\nAnchor | 70"
