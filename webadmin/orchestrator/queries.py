"""The GraphQL that the admin speaks to Dagster. Values go in as variables only."""

from __future__ import annotations

from typing import Final

ADD_PARTITION: Final = """add{n}: addDynamicPartition(
    repositorySelector: $repository, partitionsDefName: $definition, partitionKey: $key{n}
  ) {{ __typename ... on PythonError {{ message }} ... on UnauthorizedError {{ message }} }}"""

LAUNCH: Final = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId status } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PipelineNotFoundError { message }
    ... on InvalidSubsetError { message }
    ... on RunConflict { message }
    ... on UnauthorizedError { message }
    ... on PythonError { message }
  }
}"""

RUN: Final = """
query Run($id: ID!) {
  runOrError(runId: $id) {
    __typename
    ... on Run { runId status tags { key value } }
    ... on PythonError { message }
  }
}"""

TERMINATE: Final = """
mutation Terminate($id: String!, $policy: TerminateRunPolicy!) {
  terminateRun(runId: $id, terminatePolicy: $policy) {
    __typename
    ... on TerminateRunFailure { message }
    ... on UnauthorizedError { message }
    ... on PythonError { message }
  }
}"""

VERSION: Final = "query Version { version }"

# Which code locations are loaded, and what stands in the way of those that are not.
LOCATIONS: Final = """
query Locations {
  workspaceOrError {
    __typename
    ... on Workspace {
      locationEntries { name loadStatus locationOrLoadError { __typename ... on PythonError { message } } }
    }
    ... on PythonError { message }
  }
}"""

DAEMONS: Final = "query Daemons { instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"

# What waits in the queue, what runs, and how full the pools are.
OCCUPANCY: Final = """
query Occupancy {
  queued: runsOrError(filter: {statuses: [QUEUED]}, limit: 1) { __typename ... on Runs { count } ... on PythonError { message } }
  running: runsOrError(filter: {statuses: [NOT_STARTED, STARTING, STARTED, CANCELING]}, limit: 1) {
    __typename ... on Runs { count } ... on PythonError { message }
  }
  instance { concurrencyLimits { concurrencyKey limit slotCount activeSlotCount pendingStepCount } }
}"""


def add_partitions(count: int) -> str:
    """One mutation that adds `count` partitions, $key0 ...: a round trip for each would cost a bulk action seconds."""
    keys = ", ".join(f"$key{n}: String!" for n in range(count))
    fields = "\n  ".join(ADD_PARTITION.format(n=n) for n in range(count))
    return f"mutation AddPartitions($repository: RepositorySelector!, $definition: String!, {keys}) {{\n  {fields}\n}}"
