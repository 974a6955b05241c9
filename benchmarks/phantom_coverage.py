"""How often 95 % intervals hold the truth: slopes, amounts read backwards, joint readings of HU and ppm.

``python benchmarks/phantom_coverage.py FOLDER`` reads what ``benchmarks/phantom.py`` keeps of every phantom
(``SEED/truth.json`` and ``SEED/calibration.json``). ``--layouts N`` simulates the QSM of N phantoms in which every
content stands in a place drawn at random, in ``FOLDER/layouts``; ``--tables N`` draws N lines per row without images.

Errors of vials in a simulated QSM map are mostly not noise. They belong to the reconstruction: to where a vial stands
and to what it holds, and are the same in every phantom of one layout. So a slope is held against three things: the
molar truth (which the reconstruction underestimates), the mean slope of the other phantoms, and the latter with
contents placed at random, which alone lets those errors vary as an interval takes them to.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phantomcal.phantom.fitting.choice import choose_fit
from phantomcal.phantom.fitting.fit import Curve, LineFit
from phantomcal.phantom.reading.inverse import read_back
from phantomcal.phantom.reading.joint import Pair, read_jointly

Array = NDArray[np.float64]
Row = dict[str, Any]
PROTOCOL = "simulated-gd-ca"
LEAST = 5  # vials of a line of which one is held out


def phantoms(folder: Path) -> Iterator[tuple[int, Row, Row]]:
    """Seed, truth and calibration of every phantom that has both."""
    for file in sorted(folder.glob("*/calibration.json"), key=lambda f: (len(f.parent.name), f.parent.name)):
        truth = file.parent / "truth.json"
        if truth.is_file() and file.parent.name.isdigit():
            yield (
                int(file.parent.name),
                json.loads(truth.read_text(encoding="utf-8")),
                json.loads(file.read_text(encoding="utf-8")),
            )


def fit_of(vials: Sequence[Row]) -> LineFit:
    """The default line of some vials."""
    x, y = (np.array([v[k] for v in vials], float) for k in ("abscissa", "value"))
    sem = np.array([v["sem"] or 0.0 for v in vials])
    return choose_fit(x, y, sem if (sem > 0).all() else None, beside=False).fit


def used_vials(record: Row, material: str, modality: str) -> list[Row]:
    """Vials in a line."""
    return [v for v in record["vials"] if v["series"] == material and v["modality"] == modality and v["used"]]


def slopes(folder: Path) -> pd.DataFrame:
    """A row per line: slope, interval, and the molar truth."""
    rows = []
    for seed, truth, record in phantoms(folder):
        for line in record["lines"]:
            low, high = line["slope_ci95"] or (-np.inf, np.inf)
            rows.append(
                {
                    "seed": seed,
                    "material": line["material"],
                    "modality": line["modality"],
                    "slope": line["slope"],
                    "low": low,
                    "high": high,
                    "truth": truth["slopes"][line["material"]][line["modality"]]["value"],
                }
            )
    frame = pd.DataFrame(rows)
    if len(frame):
        group = frame.groupby(["material", "modality"])["slope"]
        n = group.transform("size")
        # Of all the other phantoms, so that a slope is not held against itself.
        frame["others"] = (group.transform("sum") - frame["slope"]) / np.maximum(n - 1, 1)
    return frame


def held_out(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every sound vial read back by the line of the others, from one modality and from both."""
    single, joint = [], []
    for seed, truth, record in phantoms(folder):
        sound = {v["vial_id"] for v in truth["vials"] if not v["fault"]}
        materials = list(dict.fromkeys(v["series"] for v in record["vials"]))
        sets = {(m, k): used_vials(record, m, k) for m in materials for k in ("ct", "qsm")}
        fits = {key: fit_of(vials) for key, vials in sets.items() if len(vials) >= LEAST}
        without: dict[tuple[str, str], Curve] = {}
        inner: dict[tuple[str, str], bool] = {}
        for (material, modality), vials in sets.items():
            if len(vials) < LEAST:
                continue
            for k, vial in enumerate(vials):
                if vial["vial_id"] not in sound:
                    continue
                curve = fit_of([*vials[:k], *vials[k + 1 :]]).curve
                if curve is None:
                    continue
                without[vial["vial_id"], modality] = curve
                reading = read_back(curve, vial["value"])
                low, high = reading.interval or (-np.inf, np.inf)
                rest = [v["abscissa"] for v in (*vials[:k], *vials[k + 1 :])]
                inner[vial["vial_id"], modality] = min(rest) <= vial["abscissa"] <= max(rest)
                single.append(
                    {
                        "seed": seed,
                        "material": material,
                        "modality": modality,
                        "covered": low <= vial["abscissa"] <= high,
                        "bounded": reading.interval is not None,
                        "within range": inner[vial["vial_id"], modality],
                        "error %": 100 * (reading.amount - vial["abscissa"]) / max(v["abscissa"] for v in vials),
                    }
                )
        values = {(v["vial_id"], v["modality"]): v for v in record["vials"] if v["used"]}
        for name in sorted(sound):
            both = [(name, "ct"), (name, "qsm")]
            if any(key not in without or key not in values for key in both):
                continue
            own = values[both[0]]["series"]
            pairs = {}
            for material in materials:
                curves = [
                    without[name, k] if material == own else fits[material, k].curve if (material, k) in fits else None
                    for k in ("ct", "qsm")
                ]
                if all(curves):
                    span = [v["abscissa"] for v in sets[material, "ct"]]
                    pairs[material] = Pair(cast(Curve, curves[0]), cast(Curve, curves[1]), (min(span), max(span)))
            if own in pairs and len(pairs) > 1:
                amount = values[both[0]]["abscissa"]
                shown = joint_row(pairs, own, *(values[k]["value"] for k in both), amount)
                joint.append({"seed": seed, "within range": all(inner[key] for key in both)} | shown)
    return pd.DataFrame(single), pd.DataFrame(joint)


def joint_row(pairs: dict[str, Pair], own: str, hu: float, ppm: float, amount: float) -> Row:
    """One sample of known content read jointly."""
    found = read_jointly(pairs, hu, ppm)
    m = found.materials[own]
    low, high = m.interval or (-np.inf, np.inf)
    return {
        "material": own,
        "blank": amount == 0,
        "verdict": "right" if found.verdict == own else found.verdict if found.verdict not in pairs else "wrong",
        "probability": m.probability,
        "covered": low <= amount <= high,
        "error %": 100 * (m.amount - amount) / pairs[own].calibrated_range[1],
    }


def share(part: pd.DataFrame, column: str) -> str:
    """A share with its standard error between phantoms: vials of one phantom are not independent."""
    if part.empty:
        return "–"
    by_phantom = part.groupby("seed")[column].agg(["sum", "size"])
    p, n = part[column].mean(), len(by_phantom)
    if n < 2:
        return f"{p:.1%}"
    off = by_phantom["sum"] - p * by_phantom["size"]
    return f"{p:.1%} ± {np.sqrt(n / (n - 1) * float((off**2).sum())) / len(part):.1%}"


def show(title: str, rows: list[Row]) -> None:
    """Print a table."""
    print(f"\n{title}")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:+.2f}".format))


def show_slopes(frame: pd.DataFrame, title: str, *, molar: bool = True) -> None:
    """Bias and coverage of the slopes."""
    rows = []
    for (modality, material), part in frame.groupby(["modality", "material"]):
        inside = {k: (part["low"] <= part[k]) & (part[k] <= part["high"]) for k in ("truth", "others")}
        relative = part["slope"] / part["truth"]
        rows.append(
            {
                "modality": modality,
                "material": material,
                "lines": len(part),
                "bias against molar truth %": 100 * (relative.mean() - 1),
                "SD between phantoms %": 100 * relative.std(),
                "mean half-width %": 100 * float(((part["high"] - part["low"]) / 2 / part["slope"].abs()).mean()),
                "holds mean of the others": f"{inside['others'].mean():.1%}",
            }
            | ({"holds molar truth": f"{inside['truth'].mean():.1%}"} if molar else {})
        )
    show(title, rows)


def coverage(folder: Path) -> None:
    """Print bias and coverage of all intervals of the phantoms kept in a folder.

    Parameters
    ----------
    folder : pathlib.Path
        As ``benchmarks/phantom.py`` leaves it.
    """
    frame = slopes(folder)
    if frame.empty:
        print(f"no phantoms in {folder}")
        return
    print(f"\n95 % intervals of {frame['seed'].nunique()} phantoms")
    show_slopes(
        frame, "Slopes. QSM: the molar truth includes the bias of the reconstruction; the scans differ in voxels"
    )
    for modality in ("ct", "qsm"):
        part = frame[frame["modality"] == modality]
        against = "truth" if modality == "ct" else "others"
        inside = (part["low"] <= part[against]) & (part[against] <= part["high"])
        what = "molar truth" if modality == "ct" else "response of the reconstruction (mean of the other phantoms)"
        print(f"{modality.upper()} slopes: {share(part.assign(inside=inside), 'inside')} hold the {what}")
    show_readings(*held_out(folder))


def show_readings(single: pd.DataFrame, joint: pd.DataFrame) -> None:
    """Coverage of held-out vials."""
    if len(single):
        rows = [
            {
                "modality": modality,
                "material": material,
                "readings": len(part),
                "mean error % of range": part["error %"].mean(),
                "SD %": part["error %"].std(),
                "truth in interval": share(part[part["within range"]], "covered"),
                "extrapolated": share(part[~part["within range"]], "covered"),
                "unbounded": int((~part["bounded"]).sum()),
            }
            for (modality, material), part in single.groupby(["modality", "material"])
        ]
        show("A vial read back by the line of the others (Fieller); the end vials extrapolate, and are said to", rows)
        for modality, part in single.groupby("modality"):
            kept = part[part["within range"]]
            print(f"{str(modality).upper()}, within range: {share(kept, 'covered')} hold the true concentration")
    if len(joint):
        show_joint(joint)


def show_joint(joint: pd.DataFrame) -> None:
    """Verdicts, coverage and calibration of joint readings."""
    rows = []
    for (material, blank), part in joint.groupby(["material", "blank"]):
        counts = part["verdict"].value_counts()
        rows.append(
            {
                "material": material,
                "blank": "yes" if blank else "no",
                "samples": len(part),
                **{k: int(counts.get(k, 0)) for k in ("right", "undetermined", "neither", "wrong")},
                "mean error % of range": part["error %"].mean(),
                "truth in interval": share(part[part["within range"]], "covered"),
                "extrapolated": share(part[~part["within range"]], "covered"),
            }
        )
    show("HU and ppm together (blanks have no material to name)", rows)
    kept = joint[joint["within range"]]
    print(f"joint, within range: {share(kept, 'covered')} of the intervals hold the true concentration")
    stated = joint[~joint["blank"]]
    named = stated[stated["verdict"].isin(["right", "wrong"])]
    print(f"joint: {len(named)} of {len(stated)} named, {int((named['verdict'] == 'right').sum())} of these rightly")
    both = pd.DataFrame(
        {
            "said": np.concatenate([stated["probability"], 1 - stated["probability"]]),
            "is": np.concatenate([np.ones(len(stated)), np.zeros(len(stated))]),
        }
    )
    both["bin"] = pd.cut(both["said"], [-0.001, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0])
    rows = [
        {"probability said": str(k), "n": len(part), "mean said": part["said"].mean(), "share true": part["is"].mean()}
        for k, part in both.groupby("bin", observed=True)
    ]
    show("Probabilities of two materials (blanks left out)", rows)


def shuffled(protocol: Any, rng: np.random.Generator) -> Any:
    """The protocol with every content in a place drawn at random."""
    order = rng.permutation(len(protocol.vials))
    places = [(v.x_mm, v.y_mm) for v in protocol.vials]
    vials = [
        v.model_copy(update={"x_mm": places[k][0], "y_mm": places[k][1]})
        for v, k in zip(protocol.vials, order, strict=True)
    ]
    return protocol.model_copy(update={"vials": vials})


def simulate_layouts(folder: Path, n: int) -> None:
    """QSM of n phantoms of the same places and random contents; what is already there is kept."""
    import SimpleITK as sitk

    from phantomcal.errors import InputError
    from phantomcal.outputs import provenance, to_json, write_record
    from phantomcal.phantom.calibration import calibrate
    from phantomcal.protocol import load_protocol
    from phantomcal.results import InputFile
    from phantomcal.simulate.phantom import simulate_phantom
    from phantomcal.volumes import Volume

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    refused = 0
    for seed in range(1, n + 1):
        target = folder / str(seed)
        if (target / "truth.json").is_file():
            continue
        protocol = shuffled(load_protocol(PROTOCOL), np.random.default_rng([seed, 71]))
        scan = simulate_phantom(protocol, seed, modalities=["qsm"], workers=1)
        source = InputFile(role="qsm", name="qsm.mha", sha256="")
        volume = Volume(sitk.Cast(scan.qsm, sitk.sitkFloat32), "qsm", source, (), {})
        target.mkdir(parents=True, exist_ok=True)
        try:
            record = calibrate(protocol, [volume], provenance("calibrate", [], {}, time.perf_counter())).record
            write_record(record, target / "calibration.json")
        except InputError:
            refused += 1  # some random layouts cannot be told from their own turns
        (target / "truth.json").write_text(to_json(scan.truth), encoding="utf-8")
    print(f"\n{n} random layouts, {refused} refused now")


def layout_coverage(folder: Path) -> None:
    """Coverage where contents stand in random places."""
    frame = slopes(folder)
    if frame.empty:
        return
    show_slopes(frame, f"QSM slopes of {frame['seed'].nunique()} phantoms with contents in random places")
    inside = (frame["low"] <= frame["others"]) & (frame["others"] <= frame["high"])
    print(f"QSM slopes: {share(frame.assign(inside=inside), 'inside')} hold the response of the reconstruction")
    show_readings(*held_out(folder))


# ------------------------------------------------------------------ lines drawn without images

LEVELS = {"gadolinium": np.array([0, 0.625, 1.25, 2.5, 5, 10]), "calcium": np.arange(6) * 300.0}
TRUE = {"gadolinium": (5.69, 0.338), "calcium": (0.208, -2.68e-4)}


def _errors(kind: str, x: Array, rng: np.random.Generator) -> tuple[Array, Array, Array | None, Array | None]:
    """Abscissae as printed, values, and the standard errors a user would state; slope 1, intercept 0."""
    n, span = len(x), float(np.ptp(x))
    if kind == "noise alone, alike":
        sd = np.full(n, 0.01 * span)
        return x, x + rng.normal(0, sd), sd, None
    if kind == "noise alone, unlike":
        sd = span * np.geomspace(0.003, 0.03, n)
        return x, x + rng.normal(0, sd), sd, None
    if kind == "scatter beyond the noise":
        sd = span * np.geomspace(0.0005, 0.003, n)
        return x, x + rng.normal(0, 0.015 * span, n), sd, None
    if kind == "no errors stated":
        return x, x + rng.normal(0, 0.015 * span, n), None, None
    sd_x, sd_y = 0.01 * span + 0.02 * x, np.full(n, 0.01 * span)
    true = x + rng.normal(0, sd_x)
    return x, true + rng.normal(0, sd_y), sd_y, sd_x


def draw_lines(n: int, seed: int = 1) -> list[Row]:
    """Coverage of slope and inverse reading, by what errors there are and which fit is asked for."""
    rng = np.random.default_rng(seed)
    rows = []
    for kind, method in (
        ("no errors stated", "auto"),
        ("noise alone, alike", "auto"),
        ("noise alone, unlike", "auto"),
        ("scatter beyond the noise", "auto"),
        ("errors in both axes", "auto"),
        ("noise alone, unlike", "wls"),
        ("scatter beyond the noise", "wls"),
        ("no errors stated", "robust"),
        ("no errors stated", "through-zero"),
    ):
        inside, read, picked = 0, 0, []
        for _ in range(n):
            x, y, sd_y, sd_x = _errors(kind, LEVELS["calcium"] / 1500, rng)
            chosen = choose_fit(x, y, sd_y, sd_x, method=cast(Any, method), beside=False)
            low, high = chosen.fit.interval(0) or (-np.inf, np.inf)
            inside += low <= 1 <= high
            picked.append(chosen.kind)
            amount = rng.uniform(0, 1)
            if kind == "noise alone, unlike" or chosen.fit.curve is None:
                continue
            noise = {"noise alone, alike": 0.01, "errors in both axes": 0.01}.get(kind, 0.015)
            reading = read_back(chosen.fit.curve, amount + rng.normal(0, noise))
            low, high = reading.interval or (-np.inf, np.inf)
            read += low <= amount <= high
        rows.append(
            {
                "errors": kind,
                "method": method,
                "picked": ", ".join(f"{k} {picked.count(k) / n:.0%}" for k in dict.fromkeys(picked)),
                "slope": f"{inside / n:.1%}",
                "inverse reading": "–" if kind == "noise alone, unlike" else f"{read / n:.1%}",
            }
        )
    return rows


def draw_joint(n: int, noise: tuple[float, float], seed: int = 2) -> pd.DataFrame:
    """Samples of random material and amount read jointly by freshly drawn lines."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n):
        pairs = {}
        for material, x in LEVELS.items():
            curves = [
                choose_fit(x, b * x + rng.normal(0, s, len(x)), beside=False).fit.curve
                for b, s in zip(TRUE[material], noise, strict=True)
            ]
            pairs[material] = Pair(cast(Curve, curves[0]), cast(Curve, curves[1]), (0.0, float(x.max())))
        own = str(rng.choice(list(LEVELS)))
        amount = float(rng.uniform(0, LEVELS[own].max()))
        hu, ppm = (b * amount + rng.normal(0, s) for b, s in zip(TRUE[own], noise, strict=True))
        rows.append({"seed": k, "within range": True} | joint_row(pairs, own, hu, ppm, amount))
    return pd.DataFrame(rows)


def draw_faults(n: int, seed: int = 3) -> list[Row]:
    """Flags of sound, exchanged and watered vials by the scatter of the line, as a share of its span."""
    from phantomcal.materials import ExpectedSlope
    from phantomcal.phantom.fitting.lines import build_line

    rng = np.random.default_rng(seed)
    rows = []

    def flags(x: Array, y: Array) -> set[int]:
        names = [str(k) for k in range(len(x))]
        expected = ExpectedSlope(1.0, 0.0, "", "")
        labels = {"material": "m", "modality": "ct", "unit": "HU", "abscissa_unit": "mmol/L"}
        _, found = build_line(names, x, y, expected=expected, scatter=0.15 * float(np.ptp(x)), **labels)
        return {int(k) for k in found}

    for name, levels in LEVELS.items():
        x = levels / levels.max()
        for scatter in (0.002, 0.01, 0.02, 0.05):
            false = beside = swapped = water = 0
            for _ in range(n):
                y = x + rng.normal(0, scatter, len(x))
                false += len(flags(x, y))
                a, b = rng.choice(len(x), 2, replace=False)
                changed = y.copy()
                changed[[a, b]] = changed[[b, a]]
                found = flags(x, changed)
                swapped += len(found & {int(a), int(b)})
                beside += len(found - {int(a), int(b)})
                c = int(rng.integers(1, len(x)))
                changed = y.copy()
                changed[c] = rng.normal(0, scatter)
                found = flags(x, changed)
                water += c in found
                beside += len(found - {c})
            rows.append(
                {
                    "levels": name,
                    "scatter % of span": 100 * scatter,
                    "false flags": f"{false / n / len(x):.2%}",
                    "false beside a fault": f"{beside / n / (2 * len(x) - 3):.2%}",
                    "exchanged vials flagged": f"{swapped / n / 2:.1%}",
                    "water instead flagged": f"{water / n:.1%}",
                }
            )
    return rows


def tables(n: int) -> None:
    """All of the above."""
    show(f"Lines drawn without images, {n} a row: coverage of 95 % intervals", draw_lines(n))
    for noise in ((0.15, 0.03), (20.0, 0.3)):
        print(f"\nJoint readings, vials scatter by {noise[0]:g} HU and {noise[1]:g} ppm")
        show_joint(draw_joint(n, noise))
    show("Flags of a series with an expected slope", draw_faults(max(n // 20, 50)))


def main() -> None:
    """Parse, read or draw, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="what benchmarks/phantom.py keeps")
    parser.add_argument("--layouts", type=int, default=0, help="simulate so many phantoms with random contents")
    parser.add_argument("--tables", type=int, nargs="?", const=2000, default=0, help="draw so many lines (2000)")
    options = parser.parse_args()
    if options.folder is None and not options.tables:
        parser.error("give a folder, or --tables")
    steps: list[Callable[[], None]] = []
    if options.tables:
        steps.append(lambda: tables(options.tables))
    if options.folder is not None:
        steps.append(lambda: coverage(options.folder))
        if options.layouts:
            steps.append(lambda: simulate_layouts(options.folder / "layouts", options.layouts))
        steps.append(lambda: layout_coverage(options.folder / "layouts"))
    for step in steps:
        step()


if __name__ == "__main__":
    main()
