"""The docling-serve double as a process, which can be killed: `python -m tests.servers.docling_serve_process PORT SECONDS`.

SECONDS: for which a conversion waits before it is done, so that a kill meets it in the middle.
"""

from __future__ import annotations

import sys
import time

from tests.doubles.docling_serve import Double, Json
from tests.doubles.docling_serve_work import Work


class SlowWork(Work):
    seconds = 0.0

    def convert(self, content: bytes, form: dict[str, list[str]]) -> Json:
        time.sleep(self.seconds)
        return super().convert(content, form)


if __name__ == "__main__":
    double = Double(slots=1, port=int(sys.argv[1]))
    double.work = SlowWork()
    double.work.seconds = float(sys.argv[2])
    double.serve_forever()
