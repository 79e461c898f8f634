"""How a run's ops are executed: processes side by side, or one after another in the run's own process.

A forkserver that has imported our definitions forks a step in 0.2 s; spawning one costs 2 s. Tag limits hold a run's own ops,
because a step that waits for a pool polls slowly. `in_process` is for a run so small that starting processes would cost more
than its work.
"""

import dagster as dg

LANES = {"docling": 2, "ollama": 4, "gpu": 2}
MODES = ("multiprocess", "in_process")


@dg.configured(
    dg.multi_or_in_process_executor,
    config_schema={
        "mode": dg.Field(dg.Enum("Mode", [dg.EnumValue(mode) for mode in MODES]), default_value="multiprocess"),
        "max_concurrent": dg.Field(int, default_value=8),
    },
)
def ingest_executor(config):  # type: ignore[no-untyped-def]  # dagster inspects the bare signature
    if config["mode"] == "in_process":
        return {"in_process": {"retries": {"disabled": {}}}}
    return {
        "multiprocess": {
            "max_concurrent": config["max_concurrent"],
            "retries": {"disabled": {}},  # retries happen at the call, with back-off; not stacked
            "tag_concurrency_limits": [{"key": "lane", "value": lane, "limit": limit} for lane, limit in LANES.items()],
            "start_method": {"forkserver": {"preload_modules": ["aegis_assets.definitions", "dagster_postgres"]}},
        }
    }
