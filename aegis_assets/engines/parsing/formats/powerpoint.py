"""A presentation with its diagrams: docling reads shapes, tables and charts, and passes over SmartArt."""

from __future__ import annotations

from docling.backend.mspowerpoint_backend import MsPowerpointDocumentBackend
from docling_core.types.doc import DoclingDocument

from aegis_assets.engines.parsing.formats import diagram


class PowerPointBackend(MsPowerpointDocumentBackend):
    def convert(self) -> DoclingDocument:
        for slide in self.pptx_obj.slides:
            for shape in [*slide.shapes]:
                related = next(shape._element.iter(diagram.RELATED), None)
                part = slide.part.rels.get(related.get(diagram.DATA)) if related is not None else None
                if part is None or part.is_external:
                    continue
                box = slide.shapes.add_textbox(shape.left, shape.top, shape.width, shape.height)
                box.text_frame.text = "\n".join(diagram.texts(part.target_part.blob))
        return super().convert()
