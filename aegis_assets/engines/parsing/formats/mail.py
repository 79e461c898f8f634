"""Messages, mailboxes and saved web pages: a MIME tree into a document, by Python's own e-mail package.

The richest part of the alternatives is read, by the HTML parser where it is HTML, and every attachment by the parser of its kind.
docling reads the plain part alone and names attachments, the nested messages among them by a random name. Design note: a charset
that does not fit is not believed: gb2312 is read as gb18030, and bytes without a charset as the bytes of a text file are.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from aegis_assets.engines.parsing.attached import File, add_files, add_heading, add_text, add_tree
from aegis_assets.engines.parsing.decode import clean, decode
from aegis_assets.engines.parsing.nesting import TOO_DEEP
from aegis_assets.engines.parsing.plain import text_tree
from aegis_assets.engines.parsing.tree import Assembly, Tree
from aegis_assets.errors import BadInput

_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_WIDER: Final = {
    "gb2312": "gb18030", "gbk": "gb18030", "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "shift_jis": "cp932",
    "iso-8859-1": "cp1252", "latin-1": "cp1252", "us-ascii": "", "ascii": "", "unknown-8bit": "", "8bit": "", "default": "",
}  # fmt: skip
_POST: Final = re.compile(rb"^From \S+.*\d{4}\r?\n", re.M)
_WORD: Final = re.compile(r"[^\W_]+")
_TAGS: Final = re.compile(r"<(style|script|head)\b.*?</\1>|<[^>]*>|&[#\w]+;", re.S | re.I)
_CID: Final = re.compile(r"""(src\s*=\s*["']?)cid:([^"'\s>]+)""", re.I)
_ENDINGS: Final = {"text/html": ".html", "text/plain": ".txt", "text/calendar": ".ics", "message/rfc822": ".eml"}
_MESSAGES: Final = 10_000  # of a mailbox
_DEEPEST: Final = 20  # levels of a MIME tree


def read(path: Path) -> Tree:
    """Return the document of a message file. Raise BadInput for one that nests too deeply."""
    content = path.read_bytes()
    if content.startswith(_OLE):
        content = _from_outlook(content)
    assembly = Assembly()
    posts = mailbox(content)
    for post in posts if len(posts) > 1 else [content]:
        message = message_from_bytes(post)
        _check_depth(message)
        add_message(assembly, message, 1 if len(posts) > 1 else 0)
    return assembly.tree


def is_web_page(message: Message) -> bool:
    """Return whether it is a page that a browser saved (MHTML)."""
    return message.get("Snapshot-Content-Location") is not None or (
        message.get_content_type() == "multipart/related" and message.get("To") is None
    )


def mailbox(content: bytes) -> list[bytes]:
    """Return the messages of an mbox file; one for any other."""
    if not content.startswith(b"From "):
        return [content]
    edges = [match.start() for match in _POST.finditer(content) if content[: match.start()][-2:] in (b"", b"\n\n", b"\r\n")]
    bounds = [*edges[:_MESSAGES], len(content)]
    return [content[first:last].split(b"\n", 1)[-1] for first, last in pairwise(bounds)]


def add_message(assembly: Assembly, message: Message, level: int) -> None:
    """level: of the heading with the subject, 0 for a title."""
    page = is_web_page(message)
    if not page:
        add_heading(assembly, header(message, "Subject") or "Message", level)
        for name in ("From", "To", "Cc", "Date"):
            if text := _date(message) if name == "Date" else _addresses(message, name):
                add_text(assembly, f"{name}: {text}")
    bodies, attachments = parts(message)
    for body in bodies:
        if body.get_content_type() == "text/html":
            add_tree(assembly, _page(body_text(body), message), -1 if page else level)
        else:
            add_tree(assembly, text_tree(body_text(body)), level)
    _add_attachments(assembly, attachments, level + 1)


def _add_attachments(assembly: Assembly, attachments: list[Message], level: int) -> None:
    if not attachments:
        return
    add_heading(assembly, "Attachments", level)
    names = [_name(part, number) for number, part in enumerate(attachments, 1)]
    add_text(assembly, "\n".join(f"{name} ({part.get_content_type()})" for name, part in zip(names, attachments, strict=True)))
    for name, part in zip(names, attachments, strict=True):
        if part.get_content_type() == "message/rfc822":
            add_message(assembly, _nested(part), level + 1)
        else:
            add_files(assembly, [File(name, _content(part))], level + 1)


def parts(message: Message) -> tuple[list[Message], list[Message]]:
    """Bodies and attachments, in their order."""
    kind = message.get_content_type()
    if kind == "message/rfc822" or not message.is_multipart():
        attached = message.get_content_disposition() == "attachment" or kind not in ("text/plain", "text/html")
        if kind.endswith("-signature"):
            return [], []
        return ([], [message]) if attached or (kind == "text/plain" and message.get_filename()) else ([message], [])
    found = [(part, *parts(part)) for part in message.get_payload() if isinstance(part, Message)]
    attachments = [each for _, _, attached in found for each in attached]
    if kind == "multipart/alternative":
        return _richest([bodies for _, bodies, _ in found if bodies]), [part for part in attachments if part.get_filename()]
    if kind == "multipart/related" and found:  # pictures that the page shows where they belong
        attachments = [part for part in attachments if not part["Content-ID"] and not part["Content-Location"]]
        return found[0][1], attachments
    return [body for _, bodies, _ in found for body in bodies], attachments


def _richest(alternatives: list[list[Message]]) -> list[Message]:
    """Return the last one, as senders order them, unless it says much less than the first."""
    if not alternatives:
        return []
    first, last = (sum(_letters(body) for body in bodies) for bodies in (alternatives[0], alternatives[-1]))
    return alternatives[-1] if last * 2 >= first else alternatives[0]


def _letters(body: Message) -> int:
    text = body_text(body)
    return sum(map(len, _WORD.findall(_TAGS.sub(" ", text) if body.get_content_type() == "text/html" else text)))


def body_text(part: Message) -> str:
    return decoded(_content(part), part.get_content_charset() or "")


def decoded(content: bytes, charset: str) -> str:
    """Believe the charset where it fits."""
    charset = _WIDER.get(charset.lower(), charset)
    if charset and not (charset == "cp1252" and _is_utf8(content)):
        try:
            return clean(content.decode(charset))
        except (LookupError, UnicodeError, ValueError):
            pass
    return decode(content)


def _is_utf8(content: bytes) -> bool:
    try:
        return not content.isascii() and bool(content.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _content(part: Message) -> bytes:
    if part.get_content_type() == "message/rfc822":
        return _nested(part).as_bytes()
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _nested(part: Message) -> Message:
    payload = part.get_payload()
    return payload[0] if isinstance(payload, list) and isinstance(payload[0], Message) else Message()


def _name(part: Message, number: int) -> str:
    name = _decoded_words(part.get_filename() or "") or (
        header(_nested(part), "Subject") if part.get_content_type() == "message/rfc822" else ""
    )
    return name or f"attachment-{number}{_ENDINGS.get(part.get_content_type(), '')}"


def header(message: Message, name: str) -> str:
    return _decoded_words(message.get(name) or "")


def _decoded_words(value: object) -> str:
    """The words of RFC 2047 of one charset are joined before they are decoded: some senders cut within a character."""
    runs: list[tuple[bytes, str]] = []
    for word, charset in decode_header(str(value) if not isinstance(value, str) else value):
        content, name = (word.encode("utf-8", "surrogateescape"), "") if isinstance(word, str) else (word, charset or "")
        if runs and runs[-1][1] == name:
            runs[-1] = (runs[-1][0] + content, name)
        else:
            runs.append((content, name))
    return " ".join("".join(decoded(content, charset) for content, charset in runs).split())


def _addresses(message: Message, name: str) -> str:
    pairs = getaddresses([str(value) for value in message.get_all(name, [])])
    shown = [(_decoded_words(person), address) for person, address in pairs if person or address]
    return ", ".join(f"{person} <{address}>" if person and address else person or address for person, address in shown)


def _date(message: Message) -> str:
    try:
        found: datetime = parsedate_to_datetime(str(message.get("Date")))
    except (TypeError, ValueError):
        return header(message, "Date")
    return found.isoformat()


def _page(text: str, message: Message) -> Tree:
    """Return an HTML part, with the pictures that came along in it."""
    from aegis_assets.engines.parsing.convert import convert_text

    pictures = {str(part["Content-ID"]).strip("<> "): part for part in message.walk() if part["Content-ID"]}

    def inlined(match: re.Match[str]) -> str:
        part = pictures.get(match.group(2))
        if part is None or part.get_content_maintype() != "image":
            return match.group()
        return f"{match.group(1)}data:{part.get_content_type()};base64,{base64.b64encode(_content(part)).decode('ascii')}"

    if not text.strip():
        return text_tree("")
    return convert_text(_CID.sub(inlined, text), "html")


def _check_depth(message: Message) -> None:
    stack = [(message, 1)]
    while stack:
        part, depth = stack.pop()
        if depth > _DEEPEST:
            raise BadInput(TOO_DEEP)
        payload = part.get_payload()
        stack.extend((each, depth + 1) for each in (payload if isinstance(payload, list) else ()) if isinstance(each, Message))


def _from_outlook(content: bytes) -> bytes:
    from docling.backend.email_backend import EmailDocumentBackend

    try:
        return EmailDocumentBackend._msg_to_rfc822_bytes(content)
    except Exception as error:  # the reader of .msg raises what its property streams raise
        raise BadInput("The file is damaged or not what it claims to be. Save it again in the program that made it.") from error
