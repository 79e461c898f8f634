"""A Word file as Word shows it: docling's backend over a body in which nothing hides the text any more.

docling reads paragraphs and runs, and passes over what is wrapped around them. So the tree is made plain before it is read: tracked
changes as accepted, content controls, links and ruby unwrapped, notes behind the paragraph that refers to them, and the header and
footer of a first page, where a letter has its sender, at the beginning and the end. Trade-off: bold and italic are not recorded,
for docling makes an item of every span and no chunk shows the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from docling.backend.msword_backend import MsWordDocumentBackend
from docling_core.types.doc import DoclingDocument, Formatting
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import qn

from aegis_assets.engines.parsing.formats import diagram

_W14_CHECKBOX: Final = "{http://schemas.microsoft.com/office/word/2010/wordml}checkbox"
_REMOVED: Final = tuple(map(qn, ("w:del", "w:moveFrom")))
_WRAPPERS: Final = tuple(
    map(qn, ("w:ins", "w:moveTo", "w:smartTag", "w:customXml", "w:bdo", "w:dir", "w:hyperlink", "w:fldSimple", "w:sdtContent"))
)
_NOTES: Final = (
    (RELATIONSHIP_TYPE.FOOTNOTES, qn("w:footnote"), qn("w:footnoteReference")),
    (RELATIONSHIP_TYPE.ENDNOTES, qn("w:endnote"), qn("w:endnoteReference")),
)
_P, _R, _T, _TR, _SDT = map(qn, ("w:p", "w:r", "w:t", "w:tr", "w:sdt"))
_ID, _VAL, _TYPE = map(qn, ("w:id", "w:val", "w:type"))
_PLAIN: Final = Formatting()


class WordBackend(MsWordDocumentBackend):
    """docling's backend, with the body made plain and headings numbered as Word numbers them."""

    def convert(self) -> DoclingDocument:
        body = self.docx_obj.element.body
        accept_changes(body)
        unwrap(body)
        notes = list(_notes(self.docx_obj.part))
        for reference, texts in notes:
            place_notes(body, reference, texts)
        place_diagrams(body, self.docx_obj.part)
        if self.docx_obj.sections:
            place_first_page(self.docx_obj.sections[0], body)
        return super().convert()

    @classmethod
    def _get_format_from_run(cls, *args: Any, **kwargs: Any) -> Formatting:
        return _PLAIN

    def _add_heading(
        self,
        doc: DoclingDocument,
        curr_level: int | None,
        text: str,
        is_numbered_style: bool = False,
        numid: int | None = None,
        ilevel: int | None = None,
    ) -> Any:
        """Number by the list that the heading belongs to; docling counts headings from 1, whatever the list says."""
        if is_numbered_style and numid is not None:
            self._get_list_counter(numid, ilevel or 0)
            self.started_numids.add(numid)
            text = f"{self._build_enum_marker(numid, ilevel or 0).strip().rstrip('.')} {text}".strip()
        return super()._add_heading(doc, curr_level, text)

    def _get_start_value(self, numid: int, ilvl: int) -> int:
        """Return where the level begins: a list may start anew at another number than its definition says."""
        numbering = self.docx_obj.part.numbering_part.element
        path = f"w:num[@w:numId='{numid}']/w:lvlOverride[@w:ilvl='{ilvl}']/w:startOverride/@w:val"
        starts = [value for value in numbering.xpath(path) if value.isdigit()]
        return int(starts[0]) if starts else super()._get_start_value(numid, ilvl)


def accept_changes(body: Any) -> None:
    """Remove what was deleted or moved away; a paragraph whose end was deleted goes on in the next."""
    for mark in [*body.iter(*_REMOVED)]:
        parent = mark.getparent()
        if parent is None:
            continue
        if parent.tag == qn("w:trPr"):
            _drop(parent.getparent())
        elif parent.tag == qn("w:rPr") and parent.getparent().tag == qn("w:pPr"):
            _join_next(parent.getparent().getparent())
        else:
            parent.remove(mark)
    for paragraph in [*body.iter(_P)]:
        if paragraph.get("joined"):
            _drop(paragraph)


def _join_next(paragraph: Any) -> None:
    following = paragraph.getnext()
    if following is None or following.tag != _P:
        return
    properties = following.find(qn("w:pPr"))
    at = 0 if properties is None else following.index(properties) + 1
    for child in reversed([child for child in paragraph if child.tag != qn("w:pPr")]):
        following.insert(at, child)
    paragraph.set("joined", "1")


def unwrap(body: Any) -> None:
    """Put runs, paragraphs, rows and cells where the wrappers around them stand, but for check boxes, which docling reads."""
    for ruby in [*body.iter(qn("w:ruby"))]:
        run = ruby.getparent()
        for text in [*ruby.iterfind(f"{qn('w:rubyBase')}//{_T}")]:
            ruby.addprevious(text)
        run.remove(ruby)
    for control in [*body.iter(_SDT)]:
        if control.find(f"{qn('w:sdtPr')}/{_W14_CHECKBOX}") is None:
            _replace(control, control.iterfind(f"{qn('w:sdtContent')}/*"))
    for wrapper in [*body.iter(*_WRAPPERS)]:
        parent = wrapper.getparent()
        if parent is not None and parent.tag != _SDT and parent.tag not in (qn("w:rPr"), qn("w:trPr"), qn("w:numPr")):
            _replace(wrapper, wrapper)


def _replace(element: Any, children: Iterable[Any]) -> None:
    for child in [*children]:
        element.addprevious(child)
    _drop(element)


def _drop(element: Any) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def _notes(part: Any) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Tags of references, with the paragraphs of each note by its id."""
    for kind, tag, reference in _NOTES:
        for relation in part.rels.values():
            if relation.reltype == kind and not relation.is_external:
                root = parse_xml(relation.target_part.blob)
                accept_changes(root)
                yield reference, {note.get(_ID): _lines(note) for note in root.iter(tag) if note.get(_TYPE, "normal") == "normal"}


def place_notes(body: Any, reference: str, texts: dict[str, list[str]]) -> None:
    """Write each note behind the paragraph that refers to it."""
    last: dict[Any, Any] = {}
    for mark in [*body.iter(reference)]:
        paragraph = next(mark.iterancestors(_P), None)
        if paragraph is not None:
            for text in texts.get(mark.get(_ID), ()):
                note = _paragraph(text)
                last.get(paragraph, paragraph).addnext(note)
                last[paragraph] = note


def place_diagrams(body: Any, part: Any) -> None:
    """Write the texts of SmartArt behind the paragraph that it stands in."""
    for related in [*body.iter(diagram.RELATED)]:
        relation = part.rels.get(related.get(diagram.DATA))
        paragraph = next(related.iterancestors(_P), None)
        if relation is not None and not relation.is_external and paragraph is not None:
            for text in reversed(diagram.texts(relation.target_part.blob)):
                paragraph.addnext(_paragraph(text))


def place_first_page(section: Any, body: Any) -> None:
    """Write the header of a first page that differs from the others before the body, and its footer behind it."""
    if not section.different_first_page_header_footer:
        return
    if not section.first_page_header.is_linked_to_previous:
        for place, text in enumerate(_lines(section.first_page_header._element)):
            body.insert(place, _paragraph(text))
    if not section.first_page_footer.is_linked_to_previous:
        for text in _lines(section.first_page_footer._element):
            (body.sectPr if body.sectPr is not None else body[-1]).addprevious(_paragraph(text))


def _lines(element: Any) -> list[str]:
    """Return the text of each paragraph that has a letter in it: a page number alone is none."""
    texts = ["".join(_characters(paragraph)) for paragraph in element.iter(_P)]
    return [text.strip() for text in texts if any(character.isalpha() for character in text)]


def _characters(paragraph: Any) -> Iterator[str]:
    spaces = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:noBreakHyphen"): "-"}
    for element in paragraph.iter(_T, *spaces):
        if next(element.iterancestors(_P)) is paragraph and element.getparent().tag == _R:
            yield spaces.get(element.tag, element.text or "")


def _paragraph(text: str) -> Any:
    paragraph, run = OxmlElement("w:p"), OxmlElement("w:r")
    run.text = text
    paragraph.append(run)
    return paragraph
