"""Simulated phantoms in any pose, with faults: how many are found, which faults are named, how right the lines are.

``python benchmarks/phantom.py [N] [--jobs J] [--keep DIR]`` draws N phantoms (200 by default): roll, mirror image, tilt
to 15 degrees, shift, crops, voxel sizes, noise, and faults (air bubbles, empty, missing and exchanged vials). Each is
scanned by CT and QSM in the computer and calibrated by `phantomcal.phantom.calibration.calibrate`, half of them with
their magnitude image. To keep simulation cheap the voxels are coarser than a scanner's best: CT 0.6 to 1.0 mm by 1.25
to 3 mm, QSM 1.1 to 1.6 mm by 1.2 to 2.4 mm. One phantom of full size is timed at the end.

What was done stays in DIR, a folder a phantom (``truth.json``, ``vials_ct.csv``, ``vials_qsm.csv``,
``calibration.json``, ``outcome.json``), and is not done again.
"""

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PROTOCOL = "simulated-gd-ca"
PLACED_MM = 1.5  # a vial counts as found when its centre is this near to where it stands
CONSEQUENCE = 0.05  # a fault counts where it moves the vial by this share of its line's span
TARGETS = {"found or refused": 100.0, "wrongly labelled": 0.0, "flagged": 95.0, "false flags": 2.0}
_SPAWN = multiprocessing.get_context("spawn")
_STORED = (None, (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0))  # axial, and slices across another axis


def draw_faults(protocol: Any, rng: np.random.Generator) -> dict[str, Any]:
    """None to two faults, on different vials."""
    free = [str(name) for name in rng.permutation([v.id for v in protocol.vials])]
    filled = {v.id for v in protocol.vials if v.value > 0}
    faults: dict[str, Any] = {"bubbles": [], "empty": [], "missing": [], "swapped": []}
    for kind in rng.choice(list(faults), size=int(rng.choice([0, 1, 2], p=[0.25, 0.45, 0.3])), replace=False):
        if kind == "swapped":
            faults[kind].append((free.pop(), free.pop()))
        else:
            fits = [name for name in free if kind != "missing" or name in filled]
            free.remove(fits[0])
            faults[kind].append(fits[0])
    return {kind: tuple(names) for kind, names in faults.items()}


def draw(seed: int) -> dict[str, Any]:
    """Everything that is random about one phantom, but its noise."""
    from phantomcal.protocol import load_protocol
    from phantomcal.simulate.ct import CtSettings
    from phantomcal.simulate.phantom import CtSession, MrSession
    from phantomcal.simulate.shapes import Pose
    from phantomcal.simulate.vials import Faults

    rng = np.random.default_rng([seed, 20260])
    protocol = load_protocol(PROTOCOL)

    def pose() -> Pose:
        turn, azimuth = rng.uniform(0, 360, 2)
        shift = rng.uniform([-12, -12, -8], [12, 12, 8])
        return Pose(
            float(turn), float(rng.uniform(0, 15)), float(azimuth), bool(rng.random() < 0.5), tuple(map(float, shift))
        )

    def view(margin: float) -> tuple[float, float, float] | None:
        across, along = (float(v) for v in rng.uniform([2 * 55, 35], [2 * 75, 60]))
        kind = rng.choice(["whole", "short", "narrow"], p=[0.6, 0.3, 0.1])
        wide = 2 * (68 + margin + 12)
        return {"whole": None, "short": (wide, wide, along), "narrow": (across, across, 90.0)}[str(kind)]

    in_plane, slice_mm = rng.uniform(0.6, 1.0), rng.uniform(1.25, 3.0)
    ct = CtSession(
        pose=pose(),
        spacing_mm=(in_plane, in_plane, slice_mm),
        direction=_STORED[int(rng.random() < 0.15)],
        fov_mm=view(20.0),
        image=CtSettings(noise_hu=float(rng.uniform(5, 20))),
    )
    in_plane, slice_mm = rng.uniform(1.1, 1.6), rng.uniform(1.2, 2.4)
    mr = MrSession(
        pose=pose(),
        spacing_mm=(in_plane, in_plane, slice_mm),
        direction=_STORED[int(rng.random() < 0.15)],
        fov_mm=view(8.0),
        field_noise_ppm=float(rng.uniform(0.002, 0.008)),
    )
    faults = draw_faults(protocol, rng)
    return {"protocol": protocol, "ct": ct, "mr": mr, "faults": Faults(**faults), "magnitude": bool(rng.random() < 0.5)}


def one(seed: int, folder: Path) -> int:
    """Simulate, calibrate and keep one phantom."""
    import SimpleITK as sitk

    from phantomcal.errors import InputError
    from phantomcal.outputs import provenance, to_json, write_record
    from phantomcal.phantom.calibration import calibrate
    from phantomcal.results import InputFile
    from phantomcal.simulate.phantom import simulate_phantom
    from phantomcal.steps.calibration import write_vials
    from phantomcal.volumes import Volume

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    drawn = draw(seed)
    protocol = drawn["protocol"]
    scan = simulate_phantom(protocol, seed, ct=drawn["ct"], mr=drawn["mr"], faults=drawn["faults"], workers=1)
    made_by = {"ReconstructionAlgorithm": "simulated", "ReferenceRegion": "water"}
    volumes = {
        kind: Volume(
            sitk.Cast(image, sitk.sitkFloat32),
            kind,
            InputFile(role=kind, name=f"{kind}.mha", sha256=""),
            (),
            made_by if kind == "qsm" else {},
        )
        for kind, image in (("ct", scan.ct), ("qsm", scan.qsm), ("magnitude", scan.magnitude))
        if kind != "magnitude" or drawn["magnitude"]
    }
    outcome: dict[str, Any] = {"seed": seed, "magnitude": drawn["magnitude"], "refused": {}}
    started, busy = time.perf_counter(), time.process_time()
    records = {}
    for kind in ("ct", "qsm"):
        used = [v for k, v in volumes.items() if k == kind or (kind == "qsm" and k == "magnitude")]
        try:
            records[kind] = calibrate(protocol, used, provenance("calibrate", [], {}, started)).record
        except InputError as error:
            outcome["refused"][kind] = str(error)
    outcome |= {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - busy}
    target = folder / str(seed)
    target.mkdir(parents=True, exist_ok=True)
    (target / "truth.json").write_text(to_json(scan.truth), encoding="utf-8")
    for kind, record in records.items():
        write_vials(record.vials, target / f"vials_{kind}.csv")
    if records:
        parts = list(records.values())
        whole = parts[0].model_copy(
            update={
                name: [item for part in parts for item in getattr(part, name)]
                for name in ("lines", "vials", "locations", "warnings")
            }
        )
        write_record(whole, target / "calibration.json")
    # Written last: a phantom that has it is done.
    (target / "outcome.json").write_text(to_json(outcome), encoding="utf-8")
    return seed


def placement(found_mm: NDArray[np.float64], truth: dict[str, Any], modality: str) -> dict[str, Any]:
    """Whether every vial lies in its place, across the vials' axis (along it there is nothing to tell places apart)."""
    scanner = "ct" if modality == "ct" else "mr"
    true_mm = np.array([v[f"{scanner}_centre_mm"] for v in truth["vials"]])
    axis = np.array(truth[scanner]["pose"]["object_to_world_matrix"])[:, 2]
    between = found_mm[:, None] - true_mm[None]
    across = between - (between @ axis)[..., None] * axis
    distance = np.linalg.norm(across, axis=2)
    own = np.diagonal(distance)
    if (distance.argmin(axis=1) != np.arange(len(own))).any():
        outcome = "wrongly labelled"
    else:
        outcome = "found" if own.max() < PLACED_MM else "misplaced"
    return {"outcome": outcome, "worst_mm": float(own.max())}


def cut_by_view(vial: dict[str, Any], truth: dict[str, Any], modality: str) -> bool:
    """Whether a vial reaches beyond the scan across its axis, so that a flag of it is right."""
    scanner = "ct" if modality == "ct" else "mr"
    grid, pose = truth[scanner]["grid"], np.array(truth[scanner]["pose"]["object_to_world_matrix"])
    turn, along = np.linspace(0, 2 * np.pi, 24, endpoint=False)[:, None], np.linspace(-33, 33, 34)[None, :]
    rim = [vial["inner_radius_mm"] * np.cos(turn), vial["inner_radius_mm"] * np.sin(turn), along + 0 * turn]
    points = np.array(vial[f"{scanner}_centre_mm"]) + sum(r[..., None] * pose[:, k] for k, r in enumerate(rim))
    matrix = np.reshape(grid["direction"], (3, 3)) * np.array(grid["spacing_mm"])
    index = (points - np.array(grid["origin_mm"])) @ np.linalg.inv(matrix).T
    outside = (index < -0.5) | (index > np.array(grid["size"]) - 0.5)
    # Only across: along the vials every scan ends somewhere.
    axis = int(np.argmax(np.abs(np.linalg.inv(matrix) @ pose[:, 2])))
    return bool((np.delete(outside, axis, axis=2).any(axis=2) & ~outside[..., axis]).any())


def fault_of(vial: dict[str, Any], truth: dict[str, Any], modality: str) -> str:
    """Kind of fault that a vial has in one modality; empty when sound, ``none`` when it changes nothing there."""
    words = vial["fault"]
    if not words:
        return ""
    signs = {"bubble": "bubble", "air only": "empty", "water only": "missing"}
    kind = next((kind for sign, kind in signs.items() if sign in words), "swapped")
    if kind in ("bubble", "empty"):
        return kind
    slope = truth["slopes"][vial["material"]][modality]["value"]
    levels = [v["abscissa"] for v in truth["vials"] if v["material"] == vial["material"]]
    moved = abs(vial["true_hu" if modality == "ct" else "true_ppm"] - slope * vial["abscissa"])
    return kind if moved > CONSEQUENCE * abs(slope) * float(np.ptp(levels)) else "none"


NAMED = {"bubble": "air bubble", "empty": "empty", "missing": "missing", "swapped": "swap|exchang|mislabel|missing"}


def gather(folder: Path, seeds: range) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Tables of what was kept: a row a scan, a vial, a line."""
    scans, vials, lines = [], [], []
    for seed in seeds:
        here = folder / str(seed)
        truth, outcome = (json.loads((here / f"{n}.json").read_text(encoding="utf-8")) for n in ("truth", "outcome"))
        record = {"vials": [], "lines": [], "locations": []}
        if (here / "calibration.json").is_file():
            record = json.loads((here / "calibration.json").read_text(encoding="utf-8"))
        for modality in ("ct", "qsm"):
            scan = "qsm+magnitude" if modality == "qsm" and outcome["magnitude"] else modality
            row: dict[str, Any] = {"seed": seed, "scan": scan, "seconds": outcome["seconds"]}
            if modality in outcome["refused"]:
                scans.append(row | {"outcome": "refused", "why": outcome["refused"][modality]})
                continue
            measured = [v for v in record["vials"] if v["modality"] == modality]
            place = next(p for p in record["locations"] if p["modality"] == modality)
            found = np.array([[v["x_mm"], v["y_mm"], v["z_mm"]] for v in measured], float)
            scans.append(row | placement(found, truth, modality) | {"margin": place["margin"]})
            true = {v["vial_id"]: v for v in truth["vials"]}
            for v in measured:
                fault = fault_of(true[v["vial_id"]], truth, modality)
                if not fault and cut_by_view(true[v["vial_id"]], truth, modality):
                    fault = "cut off"
                named = fault in NAMED and any(word in v["flag"] for word in NAMED[fault].split("|"))
                vials.append(
                    {
                        "seed": seed,
                        "scan": scan,
                        "vial": v["vial_id"],
                        "fault": fault,
                        "flagged": bool(v["flag"]),
                        "named": named,
                        "used": v["used"],
                        "flag": v["flag"],
                        "faulty phantom": bool(truth["faults"]),
                    }
                )
            for line in (one_line for one_line in record["lines"] if one_line["modality"] == modality):
                known = truth["slopes"][line["material"]][modality]["value"]
                low, high = line["slope_ci95"] or (np.nan, np.nan)
                lines.append(
                    {
                        "seed": seed,
                        "material": line["material"],
                        "modality": modality,
                        "true_slope": known,
                        "bias_percent": 100 * (line["slope"] / known - 1),
                        "covered": low <= known <= high,
                    }
                )
    return pd.DataFrame(scans), pd.DataFrame(vials), pd.DataFrame(lines)


def report(scans: pd.DataFrame, vials: pd.DataFrame, lines: pd.DataFrame) -> None:
    """Print the tables."""
    rows = []
    for scan, part in scans.groupby("scan"):
        counts = part["outcome"].value_counts()
        rows.append(
            {
                "scan": scan,
                "scans": len(part),
                **{n: int(counts.get(n, 0)) for n in ("found", "misplaced", "wrongly labelled", "refused")},
                "worst centre mm": part["worst_mm"].max(),
                "least margin": part["margin"].min(),
            }
        )
    print("\nVials located")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.2f}".format))
    for row in scans[scans["outcome"] != "found"].to_dict("records"):
        why = row.get("why")
        print(f"  seed {row['seed']}, {row['scan']}: {row['outcome']} {why if isinstance(why, str) else ''}".rstrip())
    print(f"calibrating both scans: median {scans['seconds'].median():.1f} s, slowest {scans['seconds'].max():.1f} s")

    faulty = vials[vials["fault"].isin(list(NAMED))]
    rows = [
        {
            "fault": fault,
            "scan": scan,
            "vials": len(part),
            "flagged": int(part["flagged"].sum()),
            "flagged %": 100 * part["flagged"].mean(),
            "named so %": 100 * part["named"].mean(),
            "left out %": 100 * (1 - part["used"].mean()),
        }
        for (fault, scan), part in faulty.groupby(["fault", "scan"])
    ]
    print(f"\nFaults (exchanged and missing vials count where the value moves by {CONSEQUENCE:.0%} of the line's span)")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.1f}".format))
    core = faulty[faulty["fault"] != "missing"]
    print(f"bubble, empty, swapped: {core['flagged'].sum()} of {len(core)} flagged ({core['flagged'].mean():.1%})")
    for row in faulty[~faulty["flagged"]].to_dict("records"):
        print(f"  not flagged: seed {row['seed']}, {row['scan']}, {row['vial']}, {row['fault']}")

    good = vials[vials["fault"] == ""]
    rows = [
        {
            "phantom": "with faults elsewhere" if spoilt else "without faults",
            "scan": scan,
            "good vials": len(part),
            "flagged": int(part["flagged"].sum()),
            "flagged %": 100 * part["flagged"].mean(),
        }
        for (spoilt, scan), part in good.groupby(["faulty phantom", "scan"])
    ]
    print("\nFalse flags")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.2f}".format))
    print(f"all: {good['flagged'].sum()} of {len(good)} good vials flagged ({good['flagged'].mean():.2%})")
    for row in good[good["flagged"]].to_dict("records")[:20]:
        print(f"  seed {row['seed']}, {row['scan']}, {row['vial']}: {row['flag'][:110]}")

    rows = [
        {
            "material": material,
            "modality": modality,
            "lines": len(part),
            "true slope": f"{part['true_slope'].iloc[0]:.4g}",
            "mean bias %": part["bias_percent"].mean(),
            "SD %": part["bias_percent"].std(),
            "worst %": part["bias_percent"].abs().max(),
            "truth in 95 % interval": f"{part['covered'].sum()} of {len(part)} ({part['covered'].mean():.0%})",
        }
        for (material, modality), part in lines.groupby(["material", "modality"])
    ]
    print("\nSlopes against truth (of QSM with the bias of its regularised reconstruction)")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:+.2f}".format))


def full_size() -> None:
    """Time the command on one phantom of a scanner's size, in a process of its own."""
    from phantomcal.protocol import load_protocol
    from phantomcal.simulate.phantom import CtSession, MrSession, simulate_phantom
    from phantomcal.simulate.write import write_phantom

    ct = CtSession(spacing_mm=(250 / 512, 250 / 512, 1.25), fov_mm=(250.0, 250.0, 75.0))
    mr = MrSession(spacing_mm=(1.0, 1.0, 1.2), fov_mm=(256.0, 256.0, 76.8))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        scan = simulate_phantom(load_protocol(PROTOCOL), 1, ct=ct, mr=mr)
        write_phantom(scan, folder)
        sizes = [" x ".join(map(str, image.GetSize())) for image in (scan.ct, scan.qsm)]
        command = [sys.executable, "-m", "phantomcal", "calibrate", PROTOCOL]
        command += [
            "--ct",
            str(folder / "ct.nii.gz"),
            "--qsm",
            str(folder / "Chimap.nii.gz"),
            "-o",
            str(folder / "out"),
        ]
        del scan
        walls = []
        for _ in range(3):
            started = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            walls.append(time.perf_counter() - started)
            if status:
                print(f"full size: the command ended with status {status}")
                return
    peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    print(
        f"\nFull size (CT {sizes[0]}, QSM {sizes[1]}), whole command: {min(walls):.1f} s wall (best of 3: "
        f"{', '.join(f'{w:.1f}' for w in walls)}), {usage.ru_utime + usage.ru_stime:.1f} s CPU, peak {peak:.0f} MB"
    )


def main() -> None:
    """Parse, simulate and calibrate what is not done, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("n", nargs="?", type=int, default=200, help="number of phantoms (default 200)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--keep", type=Path, help="folder for what is done; a temporary one without it")
    parser.add_argument("--no-full-size", action="store_true", help="leave the timing of one large phantom out")
    options = parser.parse_args()
    if options.n < 1 or options.jobs < 1:
        parser.error("N and --jobs are whole numbers from 1")
    print(f"{options.n} phantoms, protocol {PROTOCOL}, {platform.machine()}, {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder, seeds = options.keep or Path(scratch), range(1, options.n + 1)
        todo = [s for s in seeds if not (folder / str(s) / "outcome.json").is_file()]
        started = time.perf_counter()
        with ProcessPoolExecutor(options.jobs, mp_context=_SPAWN) as pool:
            for future in as_completed([pool.submit(one, seed, folder) for seed in todo]):
                future.result()
        print(f"{len(todo)} simulated and calibrated in {time.perf_counter() - started:.0f} s", flush=True)
        report(*gather(folder, seeds))
        try:
            from phantom_coverage import coverage
        except ImportError:
            print("\n(no coverage tables: benchmarks/phantom_coverage.py is not there)")
        else:
            coverage(folder)
    if not options.no_full_size:
        full_size()


if __name__ == "__main__":
    main()
