"""History: time to add, time of the whole chart command at 500 calibrations, and two processes that add at once.

Run as `python benchmarks/history.py [--calibrations 500] [--lines 4] [--url postgresql+psycopg://...]`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from phantomcal.history.database import open_history
from phantomcal.history.store import add_calibration, add_event, read_history
from phantomcal.phantom.fitting.lines import build_line
from phantomcal.results import Calibration, Provenance, VialMeasurement

LEVELS = np.array([0.0, 0.625, 1.25, 2.5, 5.0, 10.0])
SERIES = (
    ("gadolinium", "qsm", "ppm", 0.33, 0.003),
    ("gadolinium", "ct", "HU", 5.7, 0.2),
    ("calcium", "qsm", "ppm", -2.6e-4, 2e-6),
    ("calcium", "ct", "HU", 0.2, 0.008),
)
WRITER = """
import sys
from datetime import date, timedelta
from pathlib import Path
from phantomcal.history.database import open_history
from phantomcal.history.store import add_calibration
from phantomcal.results import Calibration
where, mine, n, file = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
record = Calibration.model_validate_json(Path(file).read_text(encoding="utf-8"))
print("ready", flush=True)
sys.stdin.readline()
for k in range(n):
    engine = open_history(where, create=True)
    day = date(2024, 1, 1) + timedelta(days=k)
    add_calibration(engine, record.model_copy(update={"session": f"{mine}-{k}"}), "raced", day)
    engine.dispose()
"""


def simulated(rng: np.random.Generator, drift: float, lines: int) -> Calibration:
    """A calibration with so many lines, each through six vials."""
    fitted, vials = [], []
    for material, modality, unit, slope, noise in SERIES[:lines]:
        values = slope * (1 + drift) * LEVELS + rng.normal(0, noise, len(LEVELS))
        names = [f"{material[:2]}{k}" for k in range(len(LEVELS))]
        line, _ = build_line(
            names, LEVELS, values, material=material, modality=modality, unit=unit, abscissa_unit="mmol/L"
        )
        fitted.append(line)
        vials += [
            VialMeasurement(
                vial_id=name, material=material, series=material, concentration_mmol_per_l=x, abscissa=x,
                abscissa_unit="mmol/L", modality=modality, value=y, unit=unit, used=True,
            )
            for name, x, y in zip(names, LEVELS.tolist(), values.tolist(), strict=True)
        ]  # fmt: skip
    return Calibration(
        protocol="simulated-gd-ca", lines=fitted, vials=vials, provenance=Provenance(command="simulated")
    )


def timed_chart(where: str, folder: Path, options: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of the whole command, the best of three."""
    command = [sys.executable, "-m", "phantomcal", "history", "chart", "--db", where, "-o", str(folder), *options]
    wall, used = [], []
    for _ in range(3):
        before, started = os.times(), time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wall.append(time.perf_counter() - started)
        after = os.times()
        used.append(after.children_user + after.children_system - before.children_user - before.children_system)
        if done.returncode not in (0, 1):
            raise SystemExit(done.stderr)
    return min(wall), min(used)


def race(where: str, folder: Path, record: Calibration, n: int) -> tuple[float, int]:
    """Seconds that two processes take to add n calibrations each, and how many are there at the end."""
    file = folder / "record.json"
    file.write_text(record.model_dump_json(), encoding="utf-8")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, where, name, str(n), str(file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()
    started = time.perf_counter()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate()
        if process.returncode:
            raise SystemExit("a writer failed")
    seconds = time.perf_counter() - started
    engine = open_history(where)
    kept = len(read_history(engine, "raced").calibrations)
    engine.dispose()
    return seconds, kept


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calibrations", type=int, default=500)
    parser.add_argument("--lines", type=int, default=len(SERIES), choices=range(1, len(SERIES) + 1))
    parser.add_argument("--writes", type=int, default=50, help="calibrations each of the two processes adds")
    parser.add_argument("--url", help="an empty PostgreSQL database instead of a file")
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    records = [simulated(rng, 0.00002 * k + rng.normal(0, 0.005), given.lines) for k in range(given.calibrations)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        where = given.url or str(folder / "history.sqlite")
        engine = open_history(where, create=True)
        started = time.perf_counter()
        for k, record in enumerate(records):
            add_calibration(engine, record, "Scanner A", date(2016, 1, 4) + timedelta(days=7 * k))
        added = time.perf_counter() - started
        add_event(engine, "Scanner A", date(2019, 6, 3), "software upgrade", kind="software", new_baseline=True)
        engine.dispose()
        wall, used = timed_chart(where, folder / "all", [])
        wall_one, used_one = timed_chart(where, folder / "one", ["--material", "gadolinium", "--modality", "qsm"])
        seconds, kept = race(where, folder, records[0], given.writes)
    print(
        f"history of {given.calibrations} calibrations with {given.lines} lines ({'server' if given.url else 'file'})"
    )
    print(f"  add one                        {1000 * added / given.calibrations:8.1f} ms")
    print(f"  chart, all lines               {wall:8.2f} s   processor {used:.2f} s")
    print(f"  chart, one line                {wall_one:8.2f} s   processor {used_one:.2f} s")
    print(f"  two processes, {given.writes} each       {seconds:8.2f} s   kept {kept} of {2 * given.writes}")


if __name__ == "__main__":
    main()
