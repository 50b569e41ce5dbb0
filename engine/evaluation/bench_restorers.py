"""How fast restorers of others are here, and how much memory they take, with networks that have learnt nothing.

So none of their files is needed: how long a network takes does not depend on what it knows.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

from engine.errors import EngineError
from engine.evaluation.bench import BenchFailed, Row, finished, peak_bytes
from engine.evaluation.doctor import machine
from engine.progress import Report
from engine.restorers import PackageMissing, Subject, find, find_all, read_options

LIMITS = {"gfpgan": 5.0, "codeformer": 15.0}
"""Seconds a face that the project wants to reach on two cores with nothing else running."""

FEWER = {"difface": {"start": 2}}
"""Options with which one that takes minutes is measured."""


def run(report: Report, *, device: str = "auto") -> tuple[dict[str, Any], list[Row]]:
    """Measure each restorer that has networks of its own, each in a fresh process.

    Args:
        report: followed; a stop ends the bench between two restorers.
        device: what the networks run on.

    Returns:
        Facts of the machine, with device and precision, and the figures. A restorer whose package is not installed is
        left out.

    Raises:
        BenchFailed: a process that was measured failed; the sentence has its last words.
        Cancelled: from the report, or because a process that was measured was stopped.
    """
    facts, rows = machine(), list[Row]()
    measured = [info for info in find_all() if info.untrained is not None]
    for n, info in enumerate(measured):
        report.tick(f"measuring {info.title}", n, len(measured))
        answer = finished([sys.executable, "-m", "engine.evaluation.bench_restorers", info.id, device])
        figures: dict[str, Any] = json.loads(answer.stdout.strip().splitlines()[-1])
        if "lacks" in figures:
            continue
        facts |= {"device": figures["device"], "precision": "fp32"}
        fewer = f", {FEWER[info.id]['start']} steps" if info.id in FEWER else ""
        rows.append(Row(f"{info.title}, one face{fewer}", figures["seconds"], "s", LIMITS.get(info.id)))
        rows.append(Row(f"{info.title}, processor time of it", figures["processor_seconds"], "s"))
        rows.append(Row(f"{info.title}, memory at most, resident", figures["peak_gib"], "GiB"))
    report.tick("measured", len(measured), len(measured))
    return facts, rows


def measure(id: str, device: str) -> dict[str, Any]:
    """Restore a grey face twice in this process and time the second.

    Returns:
        `seconds`, `processor_seconds` of all threads, `peak_gib`, `device`; or `lacks` alone, a sentence.
    """
    import numpy as np

    from engine.prior.device import choose
    from engine.progress import silent

    info = find(id)
    if info.untrained is None:
        raise BenchFailed(f"{info.title} has no networks of its own that could be measured.")
    options = read_options(info.options, FEWER.get(id, {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # networks of libraries use torch in ways that torch warns of
        try:
            restorer = info.untrained(device)
        except PackageMissing as error:
            return {"lacks": str(error)}
    side = info.size or 512
    face = np.full((side, side, 3), 0.5, np.float32)
    restorer.restore(face, Subject(), options, seed=0, tick=silent)
    begun, worked = time.perf_counter(), time.process_time()
    restorer.restore(face, Subject(), options, seed=0, tick=silent)
    return {
        "seconds": round(time.perf_counter() - begun, 2),
        "processor_seconds": round(time.process_time() - worked, 2),
        "peak_gib": round(peak_bytes() / 2**30, 2),
        "device": str(choose(device)),
    }


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(measure(sys.argv[1], sys.argv[2])) + "\n")
    except EngineError as error:
        sys.exit(str(error))
