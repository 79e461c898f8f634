"""Pages -> a docling document, by docling's threaded PDF pipeline with our own reading, layout and tables in place of its
models.

docling's pipeline cannot be built without torchvision, whose CPU build no registry has for our torch: its table model imports it.
So the stages are set here directly; the stock pipeline is built only where the extra [gpu] is installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from docling.backend.pypdfium2_backend import PyPdfiumDocumentBackend
from docling.datamodel import document
from docling.datamodel.backend_options import PdfBackendOptions
from docling.datamodel.base_models import Cluster, InputFormat, LayoutPrediction, Table, TableStructurePrediction
from docling.datamodel.document import InputDocument
from docling.datamodel.pipeline_options import HeadingHierarchyOptions, ThreadedPdfPipelineOptions
from docling.datamodel.settings import DocumentLimits
from docling.models.stages.heading_hierarchy.heading_hierarchy_model import HeadingHierarchyModel
from docling.models.stages.page_assemble.page_assemble_model import PageAssembleModel, PageAssembleOptions
from docling.pipeline.standard_pdf_pipeline import StandardPdfPipeline
from docling_core.types.doc import BoundingBox, DocItemLabel, TableCell
from docling_core.types.doc.page import BoundingRectangle, TextCell

from aegis_assets.engines.parsing.ocr import MAX_PIXELS
from aegis_assets.engines.parsing.pdf import layout
from aegis_assets.engines.parsing.pdf.backend import PageSource
from aegis_assets.engines.parsing.pdf.facts import Facts
from aegis_assets.engines.parsing.pdf.frames import Frames
from aegis_assets.engines.parsing.pdf.geometry import Line, Rect
from aegis_assets.engines.parsing.pdf.joining import Words, joined
from aegis_assets.engines.parsing.pdf.reading import WindowReading
from aegis_assets.engines.parsing.pdf.render import Pages
from aegis_assets.engines.parsing.pdf.sheets import sheet_of
from aegis_assets.engines.parsing.pdf.turning import turned_back
from aegis_assets.errors import BadInput

# docling hashes the whole file for each window, 0.6 s for 250 MB, for a name of the document that nobody reads.
document.create_file_hash = lambda path_or_stream: "0" * 64


class RulePipeline(StandardPdfPipeline):
    """One window's conversion: build, execute once, throw away."""

    def __init__(self, pages: Pages, facts: Facts, first: int, last: int) -> None:
        self._pages, self._facts, self._window = pages, facts, (first, last)
        super().__init__(
            ThreadedPdfPipelineOptions(
                do_ocr=False,
                do_table_structure=True,
                generate_parsed_pages=False,
                heading_hierarchy_options=HeadingHierarchyOptions(enabled=False),
                queue_max_size=4,
                layout_batch_size=1,
                table_batch_size=1,
                batch_polling_interval_seconds=0.05,
            )
        )

    def _init_models(self) -> None:
        bodies: dict[int, float] = {}
        rules = RuleLayout(self._pages, self._facts, bodies)
        self.keep_images = self.keep_backend = False
        self.preprocessing_model = self.ocr_model = self.layout_postprocessing_model = _unchanged
        self.layout_model = rules
        self.table_model = rules.tables
        self.assemble_model = Assembling(options=PageAssembleOptions())
        self.reading_order_model = WindowReading(*self._window, self._facts, bodies, ordered=True)
        self.heading_hierarchy_model = HeadingHierarchyModel(options=self.pipeline_options.heading_hierarchy_options)
        self.enrichment_pipe: list[Any] = []


def _unchanged(conv_res: Any, pages: Iterable[Any]) -> Iterable[Any]:
    return pages


class Assembling(PageAssembleModel):
    """docling's, with lines joined by our rules."""

    _words = Words(())

    def __call__(self, conv_res: Any, page_batch: Iterable[Any]) -> Iterator[Any]:
        for page in page_batch:
            layout = page.predictions.layout
            self._words = Words([cell.text for cluster in layout.clusters for cell in cluster.cells] if layout else ())
            yield from super().__call__(conv_res, [page])

    def sanitize_text(self, lines: list[str]) -> str:
        return super().sanitize_text([joined(lines, self._words)])


class RuleLayout:
    """The layout and the table stage: blocks of a page as docling clusters, with the lines as their cells."""

    def __init__(self, pages: Pages, facts: Facts, bodies: dict[int, float]) -> None:
        self._pages, self._facts, self._bodies = pages, facts, bodies
        self._grids: dict[int, dict[int, Any]] = {}

    def __call__(self, conv_res: Any, pages: Iterable[Any]) -> Iterator[Any]:
        for page in pages:
            sheet = sheet_of(page, self._pages, self._facts)
            self._bodies[page.page_no] = sheet.body
            clusters: list[Cluster] = []
            grids: dict[int, Any] = {}
            for block in layout.blocks(sheet, self._facts):
                cluster = _cluster(len(clusters), block)
                if cluster is not None:
                    if sheet.turned:
                        _turn_back(cluster, sheet.turned, page.size.width, page.size.height)
                    clusters.append(cluster)
                    grids[cluster.id] = block.grid
            self._grids[page.page_no] = {key: grid for key, grid in grids.items() if grid is not None}
            page.predictions.layout = LayoutPrediction(clusters=clusters)
            yield page

    def tables(self, conv_res: Any, pages: Iterable[Any]) -> Iterator[Any]:
        for page in pages:
            grids = self._grids.pop(page.page_no, {})
            found = TableStructurePrediction()
            for cluster in page.predictions.layout.clusters:
                if cluster.id in grids:
                    found.table_map[cluster.id] = _table(page.page_no, cluster, grids[cluster.id])
            page.predictions.tablestructure = found
            yield page


def _box(rect: Rect) -> BoundingBox:
    return BoundingBox(l=rect.l, t=rect.t, r=rect.r, b=rect.b)


def _cluster(index: int, block: layout.Block) -> Cluster | None:
    """None for what lies off the page."""
    if block.rect.width < 0.5 or block.rect.height < 0.5:
        return None
    children = [_cluster(i, inner) for i, inner in enumerate(block.inner)]
    return Cluster(
        id=index,
        label=DocItemLabel(block.label),
        bbox=_box(block.rect),
        cells=_cells(block),
        children=[child for child in children if child is not None],
    )


def _turn_back(cluster: Cluster, degrees: int, width: float, height: float) -> None:
    """To its place on the page as it is. Its lines stay as they were read: their height is that of their letters."""
    box = cluster.bbox
    cluster.bbox = _box(turned_back(Rect(box.l, box.t, box.r, box.b), degrees, width, height))
    for child in cluster.children:
        _turn_back(child, degrees, width, height)


def _cells(block: layout.Block) -> list[TextCell]:
    if block.label == layout.CODE:
        return [_cell(0, block.rect, listing(block.lines))]
    return [_cell(index, line, line.text, line) for index, line in enumerate(block.lines)]


def _cell(index: int, rect: Rect, text: str, line: Line | None = None) -> TextCell:
    """As tall as the font is large: the height is what heading levels are told by."""
    size = line.size if line is not None else rect.height
    rect = Rect(rect.l, rect.b - size, rect.r, rect.b) if line is not None and line.upright else rect
    return TextCell(
        index=index,
        rect=BoundingRectangle.from_bounding_box(_box(rect)),
        text=text,
        orig=text,
        from_ocr=line is not None and line.ocr,
    )


def listing(lines: list[Line]) -> str:
    """Code keeps its lines and their indentation, counted in the width of a letter."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda x: ((x.t + x.b) / 2, x.l)):
        if rows and abs(rows[-1][0].t - line.t) < 0.5 * line.height:
            rows[-1].append(line)
        else:
            rows.append([line])
    left = min(row[0].l for row in rows)
    widths = sorted(line.width / max(1, len(line.text)) for line in lines)
    letter = widths[len(widths) // 2] or 5.0
    return "\n".join(" " * round((row[0].l - left) / letter) + "  ".join(x.text.strip() for x in row) for row in rows)


def _table(page: int, cluster: Cluster, grid: Any) -> Table:
    cells = [
        TableCell(
            text=cell.text,
            bbox=_box(cell.rect),
            row_span=cell.rows,
            col_span=cell.columns,
            start_row_offset_idx=cell.row,
            end_row_offset_idx=cell.row + cell.rows,
            start_col_offset_idx=cell.column,
            end_col_offset_idx=cell.column + cell.columns,
            column_header=cell.header,
        )
        for cell in grid.cells
    ]
    return Table(
        otsl_seq=[],
        table_cells=cells,
        num_rows=grid.rows,
        num_cols=grid.columns,
        id=cluster.id,
        page_no=page,
        cluster=cluster,
        label=cluster.label,
    )


def converted(pipeline: StandardPdfPipeline, path: Path, first: int, last: int, *, image: bool) -> Any:
    """docling's result for pages first to last. Raises BadInput for pages that neither docling-parse nor pdfium can read."""
    limits = DocumentLimits(page_range=(first, last))
    if image:
        source = InputDocument(
            path,
            InputFormat.IMAGE,
            Frames,
            backend_options=PdfBackendOptions(max_image_pixels=MAX_PIXELS),
            limits=limits,
        )
    else:
        source = InputDocument(path, InputFormat.PDF, PageSource, limits=limits)
        if not source.valid:
            source = InputDocument(path, InputFormat.PDF, PyPdfiumDocumentBackend, limits=limits)
    if not source.valid:
        raise BadInput("The document cannot be opened: it is damaged.")
    result = pipeline.execute(source, raises_on_error=True)
    missing = sorted(set(range(first, last + 1)) - {page.page_no for page in result.pages})
    if missing:
        raise BadInput(f"Page {missing[0]} cannot be read: it is damaged.")
    return result
