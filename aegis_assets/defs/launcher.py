"""The launcher of dagster.yaml: runs find the pools at their limits, and workers find everything imported."""

from __future__ import annotations

from typing import Any

from aegis_assets.dagster_ext.launcher import ForkingRunLauncher
from aegis_assets.defs.pools import settle_pools


class AegisRunLauncher(ForkingRunLauncher):
    preloaded = ("aegis_assets.defs.preload",)

    def launch_run(self, context: Any) -> None:
        settle_pools(self.instance)
        super().launch_run(context)
