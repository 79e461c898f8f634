"""What ops hand each other -> small JSON objects in the bucket, below the run's id.

Dagster's own keeps them in files of one machine; the bucket is what all machines of a run see anyway. They go when the run is over,
however it ended. A run that is executed again "from failure" finds none, and needs none: see reexecution.py.
"""

import json
from typing import Final

import dagster as dg

from aegis_assets.defs.platform import build
from aegis_assets.errors import NotFound
from aegis_assets.pipeline.flow.handover import ROOT

NO_UNIT: Final[list[str]] = []  # what a step reads where nothing was handed over


class Handover(dg.ConfigurableIOManager):
    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        build().bucket.put(key(context), json.dumps(obj).encode())

    def load_input(self, context: dg.InputContext) -> object:
        """Return what the step before handed over, an empty unit where that is gone, which `require_plan` refuses."""
        assert context.upstream_output is not None, "every input of our ops comes from an op"
        try:
            return json.loads(build().bucket.get(key(context.upstream_output)))
        except NotFound:
            return NO_UNIT


def key(context: dg.OutputContext) -> str:
    return "/".join((ROOT, *context.get_identifier()))
