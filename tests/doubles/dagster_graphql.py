"""Dagster's webserver as far as the admin speaks to it: the same GraphQL replies, no Dagster.

It can do wrong: `refuses` answers launches with a PythonError, `drops` does what the named operation asks for and hangs up instead
of saying so, `breaks` answers the named operation with a GraphQL error.
tests/webadmin/test_client.py holds the same client against the real webserver, so that the shapes here stay true.
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class DagsterDouble:
    refuses: bool = False
    drops: str = ""
    breaks: str = ""
    partitions: list[str] = field(default_factory=list)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    terminated: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reply = {"data": double.answer(body["query"], body["variables"])}
                if double.breaks == operation(body["query"]):
                    reply = {"data": {}, "errors": [{"message": "Internal error\nTraceback"}]}
                answer = json.dumps(reply).encode()
                if double.drops == operation(body["query"]):
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def start_run(self, status: str, **tags: str) -> str:
        run_id = str(uuid.uuid4())
        self.runs[run_id] = {"status": status, "tags": tags, "job": "ingest", "config": {}}
        return run_id

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        return dict(getattr(self, f"_{operation(query)}")(variables))

    def _AddPartitions(self, variables: dict[str, Any]) -> dict[str, Any]:
        answers = {}
        for name in sorted((name for name in variables if name.startswith("key")), key=lambda name: int(name[3:])):
            key = variables[name]
            known = key in self.partitions
            if not known:
                self.partitions.append(key)
            kind = "DuplicateDynamicPartitionError" if known else "AddDynamicPartitionSuccess"
            answers[f"add{name[3:]}"] = {"__typename": kind}
        return answers

    def _Launch(self, variables: dict[str, Any]) -> dict[str, Any]:
        if self.refuses:
            return {"launchRun": {"__typename": "PythonError", "message": "dagster._core.errors.DagsterError: no\nTraceback ..."}}
        params = variables["params"]
        tags = {tag["key"]: tag["value"] for tag in params["executionMetadata"]["tags"]}
        run_id = self.start_run("QUEUED", **tags)
        self.runs[run_id] |= {"job": params["selector"]["jobName"], "config": params["runConfigData"]}
        return {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": run_id, "status": "QUEUED"}}}

    def _Run(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get(variables["id"])
        if run is None:
            return {"runOrError": {"__typename": "RunNotFoundError"}}
        tags = [{"key": key, "value": value} for key, value in run["tags"].items()]
        return {"runOrError": {"__typename": "Run", "runId": variables["id"], "status": run["status"], "tags": tags}}

    def _Terminate(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get(variables["id"])
        if run is None:
            return {"terminateRun": {"__typename": "RunNotFoundError"}}
        if run["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
            return {"terminateRun": {"__typename": "TerminateRunFailure", "message": "Run could not be terminated"}}
        self.terminated.append(variables["id"])
        run["status"] = "CANCELED"
        return {"terminateRun": {"__typename": "TerminateRunSuccess"}}

    def _Occupancy(self, variables: dict[str, Any]) -> dict[str, Any]:
        def counted(*statuses: str) -> dict[str, Any]:
            return {"__typename": "Runs", "count": sum(run["status"] in statuses for run in self.runs.values())}

        pool = {"concurrencyKey": "docling", "limit": None, "slotCount": 100, "activeSlotCount": 1, "pendingStepCount": 0}
        return {"queued": counted("QUEUED"), "running": counted("STARTED"), "instance": {"concurrencyLimits": [pool]}}

    def _Version(self, variables: dict[str, Any]) -> dict[str, Any]:
        return {"version": "1.13.27"}

    def _Locations(self, variables: dict[str, Any]) -> dict[str, Any]:
        entry = {"name": "aegis", "loadStatus": "LOADED", "locationOrLoadError": {"__typename": "RepositoryLocation"}}
        return {"workspaceOrError": {"__typename": "Workspace", "locationEntries": [entry]}}

    def _Daemons(self, variables: dict[str, Any]) -> dict[str, Any]:
        statuses = [{"daemonType": "SENSOR", "required": True, "healthy": True}]
        return {"instance": {"daemonHealth": {"allDaemonStatuses": statuses}}}


def operation(query: str) -> str:
    return query.split()[1].split("(")[0]
