"""`python -m aegis_assets.engines.server`: the resident engine server, one address for parser, chunker, OCR and models.

Heavy engines are loaded once, here, so that ops and the web process import none of them. This process itself stays light: it owns
the address, a template process that parses in forked children, and a process with the two models.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from pathlib import Path

from aegis_assets.logs import configure, logger
from aegis_assets.settings import settings

# Nothing here may reach a model hub, and a template that is forked must not have the threads of OpenBLAS and of pyarrow's jemalloc.
# Torch's threads sleep while they wait for each other: spinning cost 10 to 20 % more CPU beside parsers, and gained nothing alone.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "DO_NOT_TRACK": "1",
}


def main() -> None:
    os.environ.update(ENVIRONMENT)
    chosen = settings()
    configure(chosen.log_level)

    import uvicorn

    from aegis_assets.engines.sandbox import Sandbox
    from aegis_assets.engines.service.app import Service
    from aegis_assets.engines.service.documents import Documents, OcrRunner
    from aegis_assets.engines.service.embeddings import embeddings
    from aegis_assets.engines.service.group import CALLERS_ON_CPU, CALLERS_ON_GPU, NAMES, Models
    from aegis_assets.engines.service.parser import ParserFingerprint
    from aegis_assets.engines.service.ranking import RerankRunner
    from aegis_assets.engines.service.slots import choose_slots
    from aegis_assets.stores.bucket import open_bucket

    scratch = chosen.home / "scratch" / f"engine-{chosen.engine_port}"
    scratch.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    lock = alone(scratch.with_suffix(".lock"))
    shutil.rmtree(scratch, ignore_errors=True)  # what a killed server left
    scratch.mkdir(mode=0o700)
    sandbox = Sandbox(preload=["aegis_assets.engines.service.preload"])
    sandbox.start()
    callers = CALLERS_ON_CPU if chosen.embedder_device == "cpu" else CALLERS_ON_GPU
    models = Models(scratch, callers, ("extractor",) if chosen.embeds_by_url else NAMES)
    service = Service(
        Documents(chosen, open_bucket(chosen.bucket_address, chosen, chosen.outage_seconds), sandbox, scratch),
        OcrRunner(chosen, sandbox, scratch),
        models,
        embeddings(chosen, models),
        RerankRunner(chosen, sandbox, scratch),
        token=chosen.engine_token.get_secret_value(),
        parser=ParserFingerprint(chosen),
        slots=choose_slots(chosen),
    )
    logger(__name__).info("engine_server", address=f"{chosen.listen}:{chosen.engine_port}")
    uvicorn.run(
        service.app(),
        host=chosen.listen,
        port=chosen.engine_port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    shutil.rmtree(scratch, ignore_errors=True)
    os.close(lock)


def alone(path: Path) -> int:
    """The lock's descriptor, held as long as it is open: a second server would delete the first one's files. Ends the process."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("An engine server with this AEGIS_HOME and AEGIS_ENGINE_PORT runs already: use it, or set another port.")
    return descriptor


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    main()
