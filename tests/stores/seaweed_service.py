"""A real S3 server for tests: SeaweedFS from its wheel, on free ports, with credentials."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ACCESS, SECRET = "test-access", "test-secret-key"


def start_seaweed(
    home: Path, ports: Sequence[int] = (), tls: tuple[Path, Path] | None = None
) -> tuple[subprocess.Popen[bytes], str, str]:
    """Return the process, the S3 endpoint and the filer's address. The filer takes names that no S3 client would send.

    ports: four of `seaweed_ports`, for a server that is started again on the same home. tls: certificate and key.
    """
    master, volume, filer, s3 = ports or seaweed_ports()
    config = home / "s3.json"
    credentials = [{"accessKey": ACCESS, "secretKey": SECRET}]
    config.write_text(
        json.dumps({"identities": [{"name": "t", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}]})
    )
    weed = shutil.which("weed", path=str(Path(sys.executable).parent)) or "weed"
    flags = {
        "dir": home, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "master.telemetry": "false", "master.port": master,
        "master.volumeSizeLimitMB": 64, "volume.port": volume, "volume.max": 20, "filer": "true", "filer.port": filer,
        "filer.localSocket": home / "f.sock", "s3": "true", "s3.port": s3, "s3.config": config, "s3.port.iceberg": 0,
        "s3.port.lance": 0, "s3.localSocket": home / "s.sock",
    }  # fmt: skip
    if tls is not None:
        flags |= {"s3.cert.file": tls[0], "s3.key.file": tls[1]}
    with (home / "weed.log").open("wb") as log:
        command = [weed, "-logtostderr=true", "server", *(f"-{name}={value}" for name, value in flags.items())]
        process = subprocess.Popen(command, cwd=home, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while b"Start Seaweed S3 API" not in (home / "weed.log").read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError((home / "weed.log").read_text(errors="replace")[-2000:])
        time.sleep(0.1)
    return process, f"http{'s' if tls else ''}://127.0.0.1:{s3}", f"http://127.0.0.1:{filer}"


def seaweed_ports() -> list[int]:
    """Return four free ports below 55536: each server also listens for gRPC on its port + 10000."""
    found: list[int] = []
    while len(found) < 4:
        with socket.socket() as low, socket.socket() as high:
            low.bind(("127.0.0.1", 0))
            port = int(low.getsockname()[1])
            if port < 55000 and port not in found:
                try:
                    high.bind(("127.0.0.1", port + 10000))
                except OSError:
                    continue
                found.append(port)
    return found
