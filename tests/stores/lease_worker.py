"""A process that takes leases, for test_leases: prints `held` when it has one, and keeps it until it is killed."""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID

from aegis_assets.stores.leases import Leases


async def main(url: str, resource: str, weight: int, capacity: int, owner: str) -> None:
    async with Leases(url, {resource: capacity}).hold(resource, weight, UUID(owner)):
        print("held", flush=True)  # noqa: T201
        await asyncio.sleep(600)


if __name__ == "__main__":
    address, name, needed, slots, document = sys.argv[1:]
    asyncio.run(main(address, name, int(needed), int(slots), document))
