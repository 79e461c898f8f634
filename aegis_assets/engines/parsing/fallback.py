"""What docling refuses into the text that a LlamaIndex reader finds, in a docling document.

RTF is the one such format among documents. The reader opens its file as text in the locale's encoding, so it gets a copy in which
every byte is escaped the way RTF escapes them. The questionable decision: a text format on which docling's backend breaks is
kept as plain source text, because half a document without a word would be worse.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from aegis_assets.engines.parsing.decode import clean, decode
from aegis_assets.engines.parsing.nesting import TOO_DEEP
from aegis_assets.engines.parsing.plain import text_tree
from aegis_assets.engines.parsing.tree import Tree
from aegis_assets.errors import BadInput


def read(path: Path, kind: str) -> tuple[Tree, str]:
    """The document and the name of its parser. Raises BadInput where nothing can be read."""
    if kind == "rtf":
        return text_tree(_rtf(path)), "llama-index RTFReader"
    text = decode(path.read_bytes())
    if kind == "html":
        import lxml.html

        text = lxml.html.document_fromstring(text).text_content()
    return text_tree(text), "plain-text"


def _rtf(path: Path) -> str:
    from llama_index.readers.file import RTFReader

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "document.rtf"
        copy.write_text("".join(chr(byte) if byte < 0x80 else f"\\'{byte:02x}" for byte in path.read_bytes()), encoding="ascii")
        try:
            documents = RTFReader().load_data(copy)
        except RecursionError as error:
            raise BadInput(TOO_DEEP) from error
        except Exception as error:
            raise BadInput("The RTF file is damaged. Open it in a word processor, save it as DOCX and upload that.") from error
    # striprtf ends every paragraph with one line feed.
    return clean("\n\n".join(document.text for document in documents)).replace("\n", "\n\n")
