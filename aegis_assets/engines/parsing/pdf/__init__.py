"""PDFs and images -> docling documents, window by window, without model weights."""
