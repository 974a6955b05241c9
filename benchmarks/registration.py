"""Alignment beside its peers: time, memory, error, capture range, and what the verdicts are worth.

``python benchmarks/registration.py`` has four parts, all by default or the one named by ``--only``:

- ``peers``: a standard pair (simulated head, CT of 512 x 512 x 140 voxels, MR of 197 x 233 x 189, turned by 9, 5 and 7
  degrees and 25 mm away; ``--pairs`` for more) aligned by phantomcal and by ANTs, elastix and greedy, one after the
  other on the same cores. phantomcal has two times: ``alignment`` is what the peers do too, ``judged`` has the evidence
  for the verdict as well. The heads are none that the settings were chosen on. The peers get an environment of their
  own, made on first use.
- ``cases``: simulated heads over slice thickness, noise, lesions and shading, phantomcal only.
- ``starts``: random headers, up to 30 degrees and 40 mm with the search (capture range), up to 75 degrees and 60 mm
  without it (verdicts of right and wrong results).
- ``real``: the real volumes, where their folder is given by ``--data`` or ``PHANTOMCAL_REALDATA``.

Every run is a process of its own; its result is kept in the folder ``--out``, and a second call goes on from there.
Reading files is not timed, for anybody.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from registration_pairs import CASES, STANDARD, half_turned, real_pairs, simulated, turned_headers

PARTS = ("peers", "cases", "starts", "real")
PEERS = ("greedy", "elastix", "ants")
OURS = "phantomcal"
ALIGNMENT, JUDGED = f"{OURS}, alignment", f"{OURS}, judged"
_FIRST_SEED = 3
_HERE = Path(__file__).resolve().parent
_PACKAGES = ("antspyx", "itk-elastix", "picsl-greedy", "SimpleITK")


def peer_python(folder: Path) -> Path:
    """Python of an environment that has the peers; made and filled when it is not there."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "complete").exists():
        print(f"installing {', '.join(_PACKAGES)} into {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *_PACKAGES], check=True)
        (folder / "complete").touch()
    return python


def run(command: list[str], out: Path) -> dict[str, Any]:
    """What a process writes to `out`, from an earlier call when it is there."""
    if not out.exists():
        print(f"  {out.stem}", flush=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not out.exists():
            return {"failed": (done.stderr or done.stdout).strip().splitlines()[-1:]}
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def ours(pair: Path, out: Path, *arguments: str) -> dict[str, Any]:
    """phantomcal on one pair in a fresh process."""
    return run([sys.executable, str(_HERE / "registration_ours.py"), str(pair), str(out), *arguments], out)


def errors_mm(matrix: Any, pair: Path) -> NDArray[np.float64]:
    """Distance of points of the brain from where they belong; NaN without a result."""
    if matrix is None:
        return np.array([np.nan])
    points = np.load(pair / "points.npy")
    truth = np.array(json.loads((pair / "truth.json").read_text(encoding="utf-8")))
    return np.asarray(np.linalg.norm(moved(matrix, points) - moved(truth, points), axis=1))


def moved(matrix: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 3) taken by a 4 x 4 matrix."""
    return np.asarray(points @ np.array(matrix)[:3, :3].T + np.array(matrix)[:3, 3])


def peers_part(out: Path, count: int, names: list[str], environment: Path) -> None:
    """Time, memory and error of every program on the standard pairs."""
    python = peer_python(environment) if names else None
    rows = []
    for seed in range(_FIRST_SEED, _FIRST_SEED + count):
        pair = simulated(out / "pairs", f"standard-{seed}", seed, STANDARD)
        found = ours(pair, out / f"{pair.name}-{OURS}.json", "--repeat", "5")
        times = {key: found[f"alignment_{key}"] for key in ("seconds", "cpu_seconds") if f"alignment_{key}" in found}
        # The transform is the same: judging does not change it.
        results = {ALIGNMENT: found | times | {"first_seconds": np.nan}, JUDGED: found}
        for peer in names:
            script = str(_HERE / "registration_peers.py")
            target = out / f"{pair.name}-{peer}.json"
            command = [str(python), script, peer, str(pair / "ct.mha"), str(pair / "mr.mha"), str(target)]
            results[peer] = run(command, target)
        for name, result in results.items():
            if "failed" in result:
                print(f"  {pair.name} {name}: {result['failed']}")
            error = errors_mm(result.get("matrix"), pair)
            rows.append(
                {
                    "pair": pair.name,
                    "program": name,
                    "s": result.get("seconds", np.nan),
                    "CPU s": result.get("cpu_seconds", np.nan),
                    "first s": result.get("first_seconds", np.nan),
                    "peak MB": result.get("peak_mb", np.nan),
                    "error": error,
                }
            )
    table = pd.DataFrame(rows)
    show("Standard pairs", pd.concat([table.drop(columns="error"), spread(table["error"])], axis=1))
    summary = []
    for name, part in table.groupby("program", sort=False):
        pooled = np.concatenate(list(part["error"]))
        summary.append(
            {
                "program": name,
                "n": len(part),
                "median s": part["s"].median(),
                "median CPU s": part["CPU s"].median(),
                "peak MB": part["peak MB"].max(),
            }
            | dict(zip(("mean mm", "p95 mm", "worst mm"), figures(pooled), strict=True))
        )
    total = pd.DataFrame(summary)
    show("All standard pairs (phantomcal: median of five warm runs; 'first s' has loading the compiled code)", total)
    ratios = []
    for figure in ("median s", "median CPU s"):
        others = total[~total["program"].isin([ALIGNMENT, JUDGED])].dropna(subset=[figure])
        if others.empty:
            continue
        fastest = others.loc[others[figure].idxmin()]
        row = {"figure": figure, "fastest peer": fastest["program"], "its": fastest[figure]}
        for name in (ALIGNMENT, JUDGED):
            row[f"times {name}"] = fastest[figure] / total.loc[total["program"] == name, figure].iloc[0]
        ratios.append(row)
    if ratios:
        show("The fastest peer against phantomcal", ratios)


def cases_part(out: Path) -> None:
    """Error and verdict over what varies between scans."""
    rows = []
    for seed, (name, options) in enumerate(CASES.items(), start=11):
        pair = simulated(out / "pairs", f"case-{name}", seed, options)
        for kind in ("magnitude", "qsm"):
            found = ours(pair, out / f"{pair.name}-{kind}.json", "--kind", kind)
            error = errors_mm(found.get("matrix"), pair)
            rows.append({"case": name, "aligned to": kind, **judged(found), **numbers(error)})
    show("Cases", pd.DataFrame(rows))


def starts_part(out: Path, count: int) -> None:
    """Capture range from random headers, and what verdicts are worth where the search is left out."""
    tables = []
    names = list(CASES)[:3]
    for number, name in enumerate(names):
        pair = simulated(out / "pairs", f"case-{name}", 11 + number, CASES[name])
        share = count // len(names) + (number < count % len(names))
        for mode in ("search", "local"):
            target = out / f"starts-{name}-{mode}-{share}.json"
            found = ours(pair, target, "--starts", str(share), "--mode", mode, "--seed", str(number))
            if "failed" in found:
                print(f"  {target.stem}: {found['failed']}")
                continue
            tables.append(pd.DataFrame(found["runs"]).assign(head=name, mode=mode))
    runs = pd.concat(tables, ignore_index=True)
    rows = []
    for (mode, head), part in [*runs.groupby(["mode", "head"]), *((((m, "all")), p) for m, p in runs.groupby("mode"))]:
        wrong = part["error_mm"] > 2.0
        rows.append(
            {
                "starts": mode,
                "head": head,
                "n": len(part),
                "within 0.5 mm": f"{(part['error_mm'] < 0.5).mean():.1%}",
                "median mm": part["error_mm"].median(),
                "worst mm": part["error_mm"].max(),
                "over 2 mm": int(wrong.sum()),
                "of these pass": int((wrong & (part["verdict"] == "pass")).sum()),
                "right, not pass": int((~wrong & (part["verdict"] != "pass")).sum()),
                "AUC": auc(part["predicted_mm"].to_numpy(), wrong.to_numpy()),
            }
        )
    show("Random headers (AUC: of the predicted error, for an error above 2 mm)", pd.DataFrame(rows))


def real_part(out: Path, data: Path, names: list[str], environment: Path) -> None:
    """Real volumes: against known transforms, and against what the peers agree on where there is no truth."""
    rows = []
    for pair, kind in real_pairs(data, out / "pairs"):
        found = ours(pair, out / f"{pair.name}-{OURS}.json", "--kind", kind)
        rows.append({"pair": pair.name, **judged(found), **numbers(errors_mm(found.get("matrix"), pair))})
    if rows:
        show("Real volumes and simulated partners", pd.DataFrame(rows))
    if not (data / "ct-mr-porcine").is_dir():
        return
    pair, points = half_turned(data, out / "pairs")
    mine = ours(pair, out / f"{pair.name}-{OURS}.json")
    local = ours(pair, out / f"{pair.name}-unturned.json", "--mode", "local")
    places = {OURS: moved(mine["matrix"], points)}
    start = np.array(mine["matrix"])
    turned = turned_headers(pair, start)
    python = peer_python(environment) if names else None
    for peer in names:
        target = out / f"{pair.name}-{peer}.json"
        script = str(_HERE / "registration_peers.py")
        found = run([str(python), script, peer, str(turned / "ct.mha"), str(pair / "mr.mha"), str(target)], target)
        if "failed" not in found:
            way = np.array(json.loads((turned / "way.json").read_text(encoding="utf-8")))
            places[peer] = moved(np.linalg.inv(way) @ np.array(found["matrix"]), points)
    others = [place for name, place in places.items() if name != OURS]
    consensus = np.mean(others, axis=0) if others else None
    rows = []
    for name, place in places.items():
        row: dict[str, Any] = {"program": name}
        if consensus is not None:
            row |= numbers(np.linalg.norm(place - consensus, axis=1))
        rows.append(row)
    show("Half-turned object, distance from the peers' mean over it (peers started 3 degrees and 5 mm away)", rows)
    show("Verdicts", [{"result": "found", **judged(mine)}, {"result": "unturned optimum", **judged(local)}])


def judged(found: dict[str, Any]) -> dict[str, Any]:
    """What phantomcal says of its result."""
    if "failed" in found:
        return {"s": np.nan, "verdict": "-", "predicted mm": np.nan, "first reason": str(found["failed"])[:60]}
    return {
        "s": found["seconds"],
        "verdict": found["verdict"],
        "predicted mm": found["predicted_mm"],
        "first reason": "" if found["verdict"] == "pass" else found["reasons"][0][:60],
    }


def auc(score: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    """Chance that a wrong result has a higher score than a right one."""
    if wrong.all() or not wrong.any():
        return float("nan")
    above = score[wrong][:, None] > score[~wrong]
    even = score[wrong][:, None] == score[~wrong]
    return float(above.mean() + even.mean() / 2)


def figures(errors: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean, 95th percentile and worst."""
    return float(errors.mean()), float(np.percentile(errors, 95)), float(errors.max())


def numbers(errors: NDArray[np.float64]) -> dict[str, float]:
    """`figures` by name."""
    return dict(zip(("mean mm", "p95 mm", "worst mm"), figures(errors), strict=True))


def spread(errors: "pd.Series[Any]") -> pd.DataFrame:
    """`figures` of each row."""
    return pd.DataFrame([numbers(error) for error in errors], index=errors.index)


def show(title: str, table: Any) -> None:
    """Print one table."""
    print(f"\n{title}")
    print(pd.DataFrame(table).to_string(index=False, float_format="{:.3f}".format, na_rep=""), flush=True)


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=PARTS, action="append", help="part to run (repeatable; default all)")
    parser.add_argument("--pairs", type=int, default=1, help="standard pairs (default 1)")
    parser.add_argument("--starts", type=int, default=300, help="random headers (default 300)")
    parser.add_argument("--peers", default=",".join(PEERS), help="which peers, comma between; empty for none")
    parser.add_argument("--environment", type=Path, help="folder of the peers' environment (default: in --out)")
    parser.add_argument("--data", type=Path, default=os.environ.get("PHANTOMCAL_REALDATA"), help="real data folder")
    parser.add_argument("--out", type=Path, help="folder of pairs and results (default: a new temporary one)")
    options = parser.parse_args()
    names = [name for name in options.peers.split(",") if name]
    unknown = sorted(set(names) - set(PEERS))
    if unknown or options.pairs < 1 or options.starts < 3:
        parser.error(f"unknown peer {unknown[0]}" if unknown else "give at least 1 pair and 3 starts")
    out = options.out or Path(tempfile.mkdtemp(prefix="registration-"))
    (out / "pairs").mkdir(parents=True, exist_ok=True)
    environment = options.environment or out / "peers"
    print(f"{platform.machine()}, {os.cpu_count()} cores, results in {out}", flush=True)
    parts = options.only or PARTS
    if "peers" in parts:
        peers_part(out, options.pairs, names, environment)
    if "cases" in parts:
        cases_part(out)
    if "starts" in parts:
        starts_part(out, options.starts)
    if "real" in parts and options.data:
        real_part(out, Path(options.data), names, environment)


if __name__ == "__main__":
    main()
