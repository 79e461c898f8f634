"""Parsing: bytes of any format into docling documents, cut into parts, windows and chunks. Runs in the engine server only."""
