"""A file's bytes into its format: by signature, by the members of its ZIP container, by rules of our own for text.

The name decides only among text formats, whose bytes often look alike (Markdown, AsciiDoc, CSV, plain text), and never against a
clear mark in the text. Hence a PDF named .txt is a PDF, and junk named .docx is refused instead of being read as text.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from aegis_assets.engines.parsing import archive
from aegis_assets.engines.parsing.decode import clean, decode, wide_encoding
from aegis_assets.errors import BadInput


class Sniffed(NamedTuple):
    """format: as `Inspection.format` has it."""

    format: str
    media_type: str


_OOXML: Final = "application/vnd.openxmlformats-officedocument"
_ODF: Final = "application/vnd.oasis.opendocument"
MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "docx": f"{_OOXML}.wordprocessingml.document",
    "pptx": f"{_OOXML}.presentationml.presentation",
    "xlsx": f"{_OOXML}.spreadsheetml.sheet",
    "odt": f"{_ODF}.text",
    "ods": f"{_ODF}.spreadsheet",
    "odp": f"{_ODF}.presentation",
    "epub": "application/epub+zip",
    "email": "message/rfc822",
    "rtf": "application/rtf",
    "html": "text/html",
    "markdown": "text/markdown",
    "asciidoc": "text/asciidoc",
    "latex": "application/x-latex",
    "csv": "text/csv",
    "webvtt": "text/vtt",
    "xml": "application/xml",
    "text": "text/plain",
}
_TEXT_NAMES: Final = {
    ".md": "markdown", ".markdown": "markdown", ".mkd": "markdown", ".qmd": "markdown", ".rmd": "markdown",
    ".adoc": "asciidoc", ".asciidoc": "asciidoc", ".asc": "asciidoc",
    ".tex": "latex", ".latex": "latex", ".ltx": "latex",
    ".csv": "csv", ".tsv": "csv", ".tab": "csv",
    ".html": "html", ".htm": "html", ".xhtml": "html",
    ".xml": "xml", ".nxml": "xml", ".svg": "xml", ".dbk": "xml", ".tei": "xml", ".rss": "xml", ".atom": "xml",
    ".eml": "email", ".mbox": "email", ".mht": "email", ".mhtml": "email",
    ".vtt": "webvtt", ".txt": "text", ".text": "text", ".log": "text", ".json": "text", ".jsonl": "text",
    ".yaml": "text", ".yml": "text", ".toml": "text", ".ini": "text", ".py": "text", ".sql": "text", ".rst": "text",
}  # fmt: skip
HEAD: Final = 65_536  # bytes that tell a format
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_READABLE: Final = "PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, HTML, Markdown, text, CSV, e-mail and pictures"

EMPTY: Final = "The file is empty. Check the original and upload it again."
BLANK: Final = "The file holds nothing but white space. Check the original and upload it again."
PASSWORD: Final = "The file is protected by a password. Remove the protection and upload it again."


def sniff(path: Path, name: str) -> Sniffed:
    """The format of the file. name: a hint of last resort. Raises BadInput for what no parser reads, saying what to do."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    if not head:
        raise BadInput(EMPTY)
    suffix = PurePosixPath(clean(name).replace("\\", "/")).suffix.lower()
    if head.startswith(_ZIP):
        return _named(_container(path))
    if head.startswith(_OLE):
        return _named(_compound(path))
    if _pdf(head):
        return _named("pdf")
    if _rtf(head):
        return _named("rtf")
    if (media_type := _image(head)) is not None:
        return Sniffed("image", media_type)
    if is_binary(head):
        raise BadInput(_refusal(head, suffix))
    return _named(_text(decode(head), suffix))


def textual(head: bytes) -> bool:
    """Whether sniff() will take it for a text: it bears no signature and is not binary."""
    signed = head.startswith((*_ZIP, _OLE)) or _pdf(head) or _rtf(head) or _image(head) is not None
    return bool(head) and not signed and not is_binary(head)


def _pdf(head: bytes) -> bool:
    return b"%PDF-" in head[:1024]


def _rtf(head: bytes) -> bool:
    return head.lstrip().startswith(b"{\\rtf")


def _named(kind: str) -> Sniffed:
    return Sniffed(kind, MEDIA_TYPES[kind])


def _image(head: bytes) -> str | None:
    """By exact signatures: puremagic takes any file that begins with 'BM' for a picture."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"II*\x00", b"MM\x00*")):
        return "image/tiff"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "image/bmp"
    return None


def _container(path: Path) -> str:
    """The format of a ZIP by its members."""
    names = archive.members(path)
    if "mimetype" in names:
        mimetype = archive.member(path, "mimetype", 128).decode("ascii", "replace").strip()
        for kind in ("epub", "odt", "ods", "odp"):
            if mimetype.startswith(MEDIA_TYPES[kind]):
                _not_encrypted(path, names)
                return kind
    if "[Content_Types].xml" in names:
        for main, kind in (("word/", "docx"), ("ppt/", "pptx"), ("xl/workbook.xml", "xlsx")):
            if any(name.startswith(main) for name in names):
                return kind
    if "META-INF/container.xml" in names:
        _not_encrypted(path, names)
        return "epub"
    raise BadInput("The file is a ZIP archive, not a document. Unpack it and upload the documents in it.")


def _not_encrypted(path: Path, names: frozenset[str]) -> None:
    """ODF names encryption in its manifest; EPUB in a file of its own, which also serves mere font obfuscation."""
    if "META-INF/manifest.xml" in names and b"encryption-data" in archive.member(path, "META-INF/manifest.xml", 4 * 2**20):
        raise BadInput(PASSWORD)
    if "META-INF/encryption.xml" in names:
        listed = archive.member(path, "META-INF/encryption.xml", 4 * 2**20)
        targets = re.findall(rb"""CipherReference[^>]*URI\s*=\s*["']([^"']*)""", listed)
        if any(target.lower().endswith((b".xhtml", b".html", b".htm", b".opf")) for target in targets):
            raise BadInput("The book is protected by DRM, so its text cannot be read. Upload a copy without protection.")


def _compound(path: Path) -> str:
    """The format of an OLE compound file by its streams: Outlook mail, or an office file that no installed parser reads."""
    import olefile  # type: ignore[import-untyped]

    try:
        with olefile.OleFileIO(path) as compound:
            names = {"/".join(entry).lower() for entry in compound.listdir()}
    except Exception as error:
        raise BadInput("The file is damaged: its container cannot be read. Save it again in the program that made it.") from error
    if "encryptedpackage" in names or "encryptioninfo" in names:
        raise BadInput(PASSWORD)
    if any(name.startswith("__properties_version") for name in names):
        return "email"
    for stream, old, new in (
        ("worddocument", "Word", "DOCX"),
        ("powerpoint document", "PowerPoint", "PPTX"),
        ("workbook", "Excel", "XLSX"),
        ("book", "Excel", "XLSX"),
    ):
        if stream in names:
            raise BadInput(f"The file is in the old {old} format of before 2007. Save it as {new} and upload that.")
    raise BadInput(f"The file is of a kind that cannot be read. Readable are {_READABLE}.")


def is_binary(head: bytes) -> bool:
    """Bytes that are no text in any encoding: control characters that text does not have, outside UTF-16 and UTF-32."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")) or wide_encoding(head):
        return False
    odd = sum(head.count(byte) for byte in (*range(1, 8), *range(14, 27), *range(28, 32)))
    # A few of them in a text are damage, not another kind of file: they are taken out. Random bytes have 10 %.
    return odd + head.count(0) > max(6, len(head) * 0.05)


def _refusal(head: bytes, suffix: str) -> str:
    import puremagic

    try:
        found = [match.name for match in puremagic.magic_string(head) if match.confidence >= 0.3 and match.name]
    except (puremagic.PureError, ValueError):
        found = []
    if suffix.lstrip(".") in {"pdf", "docx", "pptx", "xlsx", "odt", "ods", "odp", "epub"}:
        return f"The file is named {suffix} but its content is no such document. Check the original and upload it again."
    if found:
        return f"The file is not a document ({found[0]}). Readable are {_READABLE}."
    return f"The file is of an unknown binary kind. Readable are {_READABLE}."


# Nothing here may try one place in several ways: 28 blank lines at the head of a text once took longer than a window may.
_WEBVTT: Final = re.compile(r"WEBVTT(?:[ \t\n]|$)")
_HTML: Final = re.compile(r"<(?:!doctype\s+html|html)[\s>]", re.I)
_LATEX: Final = re.compile(r"\\(?:documentclass|documentstyle)\b")
_MAIL_FIELD: Final = re.compile(
    r"^(from|to|subject|date|received|message-id|mime-version|return-path|delivered-to|content-type|cc):", re.I
)
# One line alone that looks like Markdown may be a comment or a dash.
_MARKDOWN: Final = re.compile(
    r"^#{1,6} \S|^```|^[ \t]*[-*] \[[^\[\]\n]+\]\(|\[[^\[\]\n]+\]\(https?://|^\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*$", re.M
)
_ELEMENT: Final = re.compile(r"<(?:head|body|div|p|h[1-6]|table|article|section)[\s>]", re.I)
_ATTRIBUTE: Final = re.compile(r"^:[\w-]+:(?: |$)", re.M)
_SECTION: Final = re.compile(r"^={2,5} \S", re.M)


def _marked(text: str) -> str | None:
    """The format that the text's beginning leaves no doubt about."""
    if _WEBVTT.match(text):
        return "webvtt"
    if _HTML.match(text, _element(text)):
        return "html"
    if _LATEX.match(_first_line(text, "%").lstrip()):
        return "latex"
    return "xml" if text.lstrip().startswith("<?xml") else None


def _guessed(text: str) -> str | None:
    if "\\begin{document}" in text:
        return "latex"
    if _ELEMENT.match(text.lstrip()):
        return "html"
    attribute = _ATTRIBUTE.search(text)
    if re.match(r"= \S", _first_line(text, "//")) or (attribute and _SECTION.search(text, attribute.end())):
        return "asciidoc"
    if len(_MARKDOWN.findall(text)) >= 2 or re.match(r"#{1,6} \S", text.lstrip()):
        return "markdown"
    return None


def _element(text: str) -> int:
    """Where the first element may begin: after white space, an XML declaration and comments."""
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        ends = next((end for begin, end in (("<?xml", "?>"), ("<!--", "-->")) if text.startswith(begin, at)), None)
        closed = text.find(ends, at) if ends else -1
        if ends is None or closed < 0:
            return at
        at = closed + len(ends)


def _first_line(text: str, comment: str) -> str:
    """The first one that is neither blank nor a comment."""
    return next((line for line in text.split("\n") if line.strip() and not line.lstrip().startswith(comment)), "")


def _text(text: str, suffix: str) -> str:
    """The format of a text by a clear mark in it, then by its name, then by what it looks like."""
    if (marked := _marked(text)) is not None:
        return marked
    known = _TEXT_NAMES.get(suffix)
    if known in ("text", None) and _is_mail(text):
        return "email"
    if known == "webvtt":  # without its signature it is no WebVTT
        known = "text"
    if known is not None:
        return known
    return _guessed(text) or ("csv" if _is_csv(text) else "text")


def _is_mail(text: str) -> bool:
    """Two different header fields of mail, and nothing but header lines before the first empty line."""
    fields: set[str] = set()
    lines = text.lstrip("\n").split("\n")[:200]
    for line in lines[lines[0].startswith("From ") :]:  # the line between two messages of a mailbox
        if not line.strip():
            break
        if line[0] in " \t" and fields:
            continue
        if not re.match(r"[!-9;-~]+:", line):
            return False
        if (match := _MAIL_FIELD.match(line)) is not None:
            fields.add(match.group(1).lower())
    return len(fields) >= 2 and bool(fields & {"from", "received", "message-id", "return-path", "mime-version"})


def _is_csv(text: str) -> bool:
    """Three rows or more that all have the same number of cells, more than one."""
    sample = text[:16_384]
    for mark in (",", ";", "\t", "|"):
        rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=mark, strict=False) if row][:50]
        widths = {len(row) for row in (rows[:-1] if len(sample) < len(text) else rows)}
        if len(rows) >= 3 and len(widths) == 1 and widths.pop() > 1:
            return True
    return False
