"""What ops hand each other -> small JSON objects in the bucket, below the run's id.

Dagster's own keeps them in files of one machine; the bucket is what all machines of a run see anyway.
"""

import json

import dagster as dg

from aegis_assets.defs.platform import build

ROOT = "runs"


class Handover(dg.ConfigurableIOManager):
    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        build().bucket.put(key(context), json.dumps(obj).encode())

    def load_input(self, context: dg.InputContext) -> object:
        assert context.upstream_output is not None, "every input of our ops comes from an op"
        return json.loads(build().bucket.get(key(context.upstream_output)))


def key(context: dg.OutputContext) -> str:
    return "/".join((ROOT, *context.get_identifier()))


def discard(run_id: str) -> None:
    """Of a run that is over."""
    build().bucket.delete_prefix(f"{ROOT}/{run_id}")
