"""The Qdrant double as a process with data on disk, to be killed: `python -m tests.servers.qdrant_process PORT DIRECTORY`."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient

from tests.doubles.qdrant_server import QdrantDouble


class DurableQdrant(QdrantDouble):
    def __init__(self, port: int, directory: Path) -> None:
        self._port, self._known = port, directory / "collections.pickle"
        super().__init__()
        self.local.close()
        self.local = QdrantClient(path=str(directory / "points"), force_disable_check_same_thread=True)
        if self._known.exists():
            self.collections = pickle.loads(self._known.read_bytes())

    def server_bind(self) -> None:
        self.server_address = ("127.0.0.1", self._port)
        super().server_bind()

    def handle_request_to(self, method: str, path: str, body: Any) -> Any:
        result = super().handle_request_to(method, path, body)
        if method in ("PUT", "PATCH", "DELETE"):
            self._known.write_bytes(pickle.dumps(self.collections))
        return result


if __name__ == "__main__":
    DurableQdrant(int(sys.argv[1]), Path(sys.argv[2])).serve_forever()
