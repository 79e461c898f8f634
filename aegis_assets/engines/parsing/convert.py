"""A whole document of any format but PDF and pictures into a plain docling document, by docling's own backends.

The backend is taken by our sniffed format instead of through `DocumentConverter`, which guesses the format a second time and
imports every pipeline. Text formats are decoded here and handed over as UTF-8, so that no backend guesses an encoding. Nothing
outside the file is ever read: backends get a stream, which has no directory to resolve an include or an image path against, and
do not fetch.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aegis_assets.engines.parsing import archive
from aegis_assets.engines.parsing.attached import add_embedded
from aegis_assets.engines.parsing.decode import clean, decode
from aegis_assets.engines.parsing.formats import asciidoc, mail, xml
from aegis_assets.engines.parsing.nesting import TOO_DEEP, check, shallow
from aegis_assets.errors import AegisError, BadInput, EngineFailed, LimitExceeded

if TYPE_CHECKING:
    from docling.datamodel.backend_options import BaseBackendOptions

Tree = dict[str, Any]
"""A docling document as its JSON has it: cutting and joining documents as typed objects copies every item several times."""

ZIPPED: Final = frozenset({"docx", "pptx", "xlsx", "odt", "ods", "odp", "epub"})
EMBEDDING: Final = frozenset({"docx", "pptx", "xlsx"})
DECODED: Final = frozenset({"html", "markdown", "asciidoc", "latex", "webvtt"})
# What a backend does to a `<` that starts no HTML element: Markdown drops `<int>` of `vector<int>` as if it were markup.
_LESS_THAN: Final = "\ue0f3"
_TAG: Final = re.compile(r"<(?=/?([A-Za-z][\w-]*)(?:[\s/>]))")
_QUOTES: Final = re.compile(r"^(?:[ \t]*>){50}", re.M)  # 500 nested quotes cost marko 10 s, in one line
_HTML: Final = frozenset(
    """
    a abbr address area article aside b base bdi bdo big blockquote body br button caption center cite code col colgroup
    data dd del details dfn dialog dir div dl dt em embed fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6
    head header hgroup hr html i iframe img input ins kbd label legend li link main map mark menu meta meter nav noscript
    object ol optgroup option output p param picture pre progress q rp rt ruby s samp script section select slot small
    source span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead time title tr
    track tt u ul var video wbr
    """.split()  # noqa: SIM905
)


class Unsupported(Exception):
    """docling has no backend for the format, or its backend broke on a text: the fallback parser may do better."""


def convert(path: Path, kind: str, *, embedded: bool = True) -> Tree:
    """kind: a format as sniffed. embedded: read the files inside it too.

    Raises Unsupported, BadInput or LimitExceeded; other failures of a backend as EngineFailed.
    """
    if kind in ZIPPED:
        archive.check(path)
    if kind == "epub":
        for chapter in archive.read(path, (".xhtml", ".html", ".htm")):
            check(decode(chapter))
    if kind == "email":
        return scrub(mail.read(path), kind)
    if kind == "xml":
        if (found := xml.read(path)) is None:
            raise Unsupported("no XML")
        return scrub(found, kind)
    content = path.read_bytes()
    if kind in DECODED:
        return convert_text(decode(content), kind)
    tree = convert_bytes(content, kind)
    return add_embedded(path, tree) if embedded and kind in EMBEDDING else tree


def convert_bytes(content: bytes, kind: str) -> Tree:
    """Return the document of the bytes of a format that says its encoding itself."""
    return scrub(_tree(content, kind), kind)


def convert_text(text: str, kind: str) -> Tree:
    """Return the document of a text in one of the DECODED formats."""
    content = _as_utf8(text, kind)
    with complaints(kind) as heard:
        tree = _tree(content, kind)
    if heard:
        raise Unsupported(heard[0])
    if kind == "webvtt" and not tree.get("texts"):
        raise Unsupported("no cues")
    return scrub(tree, kind)


def _tree(content: bytes, kind: str) -> Tree:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # docling warns about its own deprecated fields
            tree: Tree = _document(content, kind).export_to_dict()
            return tree
    except (Unsupported, AegisError):
        raise
    except RecursionError as error:
        raise BadInput(TOO_DEEP) from error
    except MemoryError as error:
        raise LimitExceeded("The document needs more memory than one parse may use. Split it into smaller files.") from error
    except Exception as error:
        if kind in DECODED:
            raise Unsupported(type(error).__name__) from error
        raise _failure(error) from error


def _document(content: bytes, kind: str) -> Any:
    from docling.datamodel.document import InputDocument

    if kind in ("odt", "odp"):
        from aegis_assets.engines.parsing.formats.opendocument import made_plain

        content = made_plain(content)
    input_format, backend, options = _backend(kind)
    document = InputDocument(
        path_or_stream=BytesIO(content), format=input_format, backend=backend, backend_options=options, filename=f"document.{kind}"
    )
    if not document.valid:
        rejection = document._rejection
        raise BadInput("The file is damaged or not what it claims to be. Save it again in the program that made it.") from (
            rejection.original_error if rejection is not None else None
        )
    try:
        return document._backend.convert()  # as docling's own pipelines reach it
    finally:
        document._backend.unload()


def _backend(kind: str) -> tuple[Any, Any, BaseBackendOptions | None]:
    """Format, backend class and options. Imports are per format: all of them together cost 5 s."""
    from docling.datamodel import backend_options as options
    from docling.datamodel.base_models import InputFormat

    if kind == "docx":
        from aegis_assets.engines.parsing.formats.word import WordBackend

        return InputFormat.DOCX, WordBackend, options.MsWordBackendOptions()
    if kind == "pptx":
        from aegis_assets.engines.parsing.formats.powerpoint import PowerPointBackend

        return InputFormat.PPTX, PowerPointBackend, options.MsPowerpointBackendOptions()
    if kind == "xlsx":
        from aegis_assets.engines.parsing.formats.excel import ExcelBackend

        return InputFormat.XLSX, ExcelBackend, options.MsExcelBackendOptions()
    if kind in ("odt", "ods", "odp"):
        from docling.backend import opendocument_backend as odf

        from aegis_assets.engines.parsing.formats.opendocument import SheetBackend

        backend = {"odt": odf.OdtDocumentBackend, "ods": SheetBackend, "odp": odf.OdpDocumentBackend}[kind]
        return InputFormat(kind), backend, None
    if kind == "html":
        from aegis_assets.engines.parsing.formats.html import HtmlBackend

        # infer_furniture would take all text before the first heading out of the body. Of pictures only `data:` URIs are read.
        return InputFormat.HTML, HtmlBackend, options.HTMLBackendOptions(infer_furniture=False, fetch_images=True)
    return _text_backend(kind)


def _text_backend(kind: str) -> tuple[Any, Any, BaseBackendOptions | None]:
    from docling.datamodel import backend_options as options
    from docling.datamodel.base_models import InputFormat

    if kind == "markdown":
        from aegis_assets.engines.parsing.formats.markdown import MarkdownBackend

        return InputFormat.MD, MarkdownBackend, options.MarkdownBackendOptions(encoding="utf-8")
    if kind == "asciidoc":
        from docling.backend.asciidoc_backend import AsciiDocBackend

        return InputFormat.ASCIIDOC, AsciiDocBackend, options.AsciiDocBackendOptions(encoding="utf-8")
    if kind == "latex":
        from docling.backend.latex_backend import LatexDocumentBackend

        # The limit on time is the window's; docling's own would return the raw source without a word.
        return InputFormat.LATEX, LatexDocumentBackend, options.LatexBackendOptions(parse_timeout=None)
    if kind == "epub":
        from docling.backend.epub_backend import EpubDocumentBackend

        return InputFormat.EPUB, EpubDocumentBackend, options.EpubBackendOptions(max_file_bytes=archive.XML_MEMBER)
    if kind == "jats":
        from docling.backend.xml.jats_backend import JatsDocumentBackend

        return InputFormat.XML_JATS, JatsDocumentBackend, None
    if kind == "webvtt":
        from docling.backend.webvtt_backend import WebVTTDocumentBackend

        return InputFormat.VTT, WebVTTDocumentBackend, None
    raise Unsupported(kind)


def _as_utf8(text: str, kind: str) -> bytes:
    if not text.strip():
        from aegis_assets.engines.parsing.sniff import BLANK

        raise BadInput(BLANK)
    if kind == "html":
        text = shallow(text)
    if kind == "asciidoc":
        text = asciidoc.prepare(text)
    if kind == "markdown":
        check(text)
        if _QUOTES.search(text):
            raise BadInput(TOO_DEEP)
        text = _TAG.sub(lambda match: "<" if match.group(1).lower() in _HTML else _LESS_THAN, text)
    # The mark makes the HTML parser ignore a charset that the markup declares.
    return text.encode("utf-8-sig" if kind == "html" else "utf-8")


def scrub(tree: Tree, kind: str) -> Tree:
    """Text without control characters, everywhere. Iterative: hostile documents nest."""
    stack: list[Any] = [tree]
    while stack:
        node = stack.pop()
        entries = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in entries:
            if isinstance(value, str):
                text = clean(value)
                node[key] = text.replace(_LESS_THAN, "<") if kind == "markdown" else text
            elif isinstance(value, dict | list):
                stack.append(value)
    return tree


def _failure(error: Exception) -> AegisError:
    name = type(error).__name__
    if "Encrypt" in name or "password" in str(error).lower():
        from aegis_assets.engines.parsing.sniff import PASSWORD

        return BadInput(PASSWORD)
    if "Limit" in name:
        return LimitExceeded("The file unpacks to more than a document may have. Split it into smaller files.")
    if name in {
        "DocumentLoadError",
        "BadZipFile",
        "XMLSyntaxError",
        "ParseError",
        "PackageNotFoundError",
        "InvalidFileException",
        "KeyError",
    }:
        return BadInput("The file is damaged or not what it claims to be. Save it again in the program that made it.")
    return EngineFailed(
        f"docling could not read the document ({name}). Save it in another format and upload that.", retryable=False
    )


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage()[:200])


@contextmanager
def complaints(kind: str) -> Iterator[list[str]]:
    """What docling's LaTeX backend logs as an error while it goes on: it then returns the half that it had read so far."""
    ear = _Complaints()
    if kind != "latex":
        yield ear.heard
        return
    log = logging.getLogger("docling.backend.latex")
    level, passed_on = logging.root.manager.disable, log.propagate
    logging.disable(min(level, logging.WARNING))  # the parser's child has all logging off
    log.addHandler(ear)
    log.propagate = False
    try:
        yield ear.heard
    finally:
        log.removeHandler(ear)
        log.propagate = passed_on
        logging.disable(level)
