"""Blood or calcium: how often simulated lesions are named rightly, by size and registration error.

    python benchmarks/lesions.py [--quick] [--seed 1] [--part classes|voxels|mass|all] [--inversion]

`classes`: haemorrhages and calcifications, half each, of 2 to 15 mm, in five tissues, some beside veins; CT of 2.5 mm
slices and maps of 1 mm at the noise to plan with; the alignment is off by 0 to 1 mm. Each size is seen on scanners of
its own (gains of CT and map drawn about 1 and 0.95, SD 5 %), whose phantom's calibration is given. What
`phantomcal classify` says stands next to the sign of the mean susceptibility and to 100 HU, as a reader would use them
alone, and to the likelihood of either modality alone. `--inversion` draws maps by way of their field and a dipole
inversion instead.

`voxels`: lesions with a calcified rim around blood, with blood beside calcium, and pure ones: which are called mixed
by their voxels.

`mass`: calcium and iron against what was put in; see `lesions_mass.py`.

One quiet core: classes 3 minutes, voxels 3, mass 4; `--quick` a quarter of that.
docs/lesion-accuracy.md are this program's.
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phantomcal.accuracy.paired import mcnemar
from phantomcal.accuracy.probability import reliability
from phantomcal.accuracy.proportions import proportion_of
from phantomcal.accuracy.roc import roc
from phantomcal.lesions.assumptions import assumptions_for
from phantomcal.lesions.classify import classify_lesions
from phantomcal.lesions.voxels import look_inside
from phantomcal.results import Calibration, Classification
from phantomcal.simulate.lesions import (
    EVEN,
    LesionOptions,
    SimulatedLesion,
    lesion_table,
    simulate_lesions,
    simulated_calibration,
)
from phantomcal.simulate.lesions_physics import Scanner

Bool = NDArray[np.bool_]
SIZES_MM = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0)
VOXEL_SIZES_MM = (4.0, 6.0, 8.0, 10.0, 12.0, 15.0)
CALLERS = ("both", "qsm", "ct", "sign", "100 HU")
WORDS = {
    "both": "QSM and CT",
    "qsm": "QSM alone",
    "ct": "CT alone",
    "sign": "sign of susceptibility",
    "100 HU": "above 100 HU",
}


def scanner_of(seed: int) -> Scanner:
    """Gains of the scanners of one group of lesions."""
    rng = np.random.default_rng([seed, 99])
    ct, qsm = rng.normal(1.0, 0.05), rng.normal(0.95, 0.05)
    return Scanner(ct_gain=float(ct), qsm_gain=float(qsm))


def classified(seed: int, number: int, inversion: bool) -> pd.DataFrame:
    """A row per lesion: truth, what each caller says (True is haemorrhage), probability, verdict."""
    parts = []
    for k, size in enumerate(SIZES_MM):
        scanner = scanner_of(seed + k)
        options = LesionOptions(scanner=scanner, inversion=inversion)
        lesions = simulate_lesions(
            seed + 1000 * k, number, kind=EVEN, diameter_mm=size, misregistration_mm=(0.0, 1.0), options=options
        )
        table = lesion_table(lesions)
        table["subject_id"] = [f"{size:g}-{name}" for name in table["subject_id"]]
        record = classify_lesions(table, calibration=simulated_calibration(seed + k, scanner=scanner))
        parts.append(table.join(called(record, table)))
    return pd.concat(parts, ignore_index=True)


def called(record: Classification, table: pd.DataFrame) -> pd.DataFrame:
    """Calls and probabilities of haemorrhage against calcification, by every caller."""
    columns: dict[str, list[float | bool | str]] = {}
    for evidence in ("qsm", "ct", "both"):
        p = [
            found.haemorrhage / max(found.haemorrhage + found.calcification, 1e-300)
            for found in (v.by_modality[evidence] for v in record.lesions)
        ]
        columns[f"p {evidence}"] = list(p)
        columns[f"blood {evidence}"] = [one > 0.5 for one in p]
    columns["verdict"] = [v.verdict for v in record.lesions]
    frame = pd.DataFrame(columns, index=table.index)
    frame["blood sign"] = table["qsm_ppm"] > 0
    frame["blood 100 HU"] = table["ct_hu"] <= 100
    frame["p sign"], frame["p 100 HU"] = table["qsm_ppm"], -table["ct_hu"]
    return frame


def numbers(frame: pd.DataFrame) -> list[str]:
    """One row of a table: accuracy of every caller, area, undetermined, calibration error."""
    blood = (frame["truth"] == "haemorrhage").to_numpy()
    subjects = frame["subject_id"]
    row = [str(len(frame))]
    for name in CALLERS:
        right = proportion_of((frame[f"blood {name}"] == blood).to_numpy(), name, subjects)
        assert right.value is not None
        assert right.ci95 is not None
        ends = f" ({right.ci95[0]:.3f}-{right.ci95[1]:.3f})" if name == "both" else ""
        row.append(f"{right.value:.3f}{ends}")
    row.append(f"{roc(blood, frame['p both'], subjects).auc:.4f}")
    row.append(f"{(frame['verdict'] == 'undetermined').mean():.3f}")
    row.append(f"{(frame['verdict'] == frame['truth']).mean():.3f}")
    row.append(f"{reliability(blood, frame['p both'], subjects=subjects).ece:.3f}")
    return row


def show(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table in Markdown."""
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def classes(seed: int, number: int, inversion: bool) -> None:
    """The part `classes`."""
    frame = classified(seed, number, inversion)
    head = [*(WORDS[c] for c in CALLERS), "AUC, both", "undetermined", "named rightly", "ECE"]
    title = "maps by dipole inversion" if inversion else "maps with point spread and noise"
    print(f"Accuracy of blood against calcium, {title}, seed {seed}. Undetermined lesions are called by the likelier")
    print("class, except under `named rightly`, where they count as wrong.\n")
    rows = [[f"{size:g}", *numbers(frame[frame["true_diameter_mm"] == size])] for size in SIZES_MM]
    large = frame[frame["true_diameter_mm"] >= 4]
    rows += [["4 and more", *numbers(large)], ["all", *numbers(frame)]]
    show(["diameter, mm", "n", *head], rows)

    error = frame["true_misregistration_mm"]
    rows = []
    for sizes, low, high in (("2 to 3", 2, 3), ("4 to 6", 4, 6), ("8 to 15", 8, 15)):
        for least, most in ((0.0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1.0)):
            some = frame[frame["true_diameter_mm"].between(low, high) & error.between(least, most, inclusive="left")]
            rows.append([sizes, f"{least:.2f} to {most:.2f}", *numbers(some)])
    show(["diameter, mm", "registration error, mm", "n", *head], rows)

    print("Accuracy of both less that of one, 4 mm and more (McNemar, subjects as clusters):\n")
    blood = (large["truth"] == "haemorrhage").to_numpy()
    rows = []
    for name in CALLERS[1:]:
        pair = mcnemar(blood, large["blood both"], large[f"blood {name}"], ("both", name), large["subject_id"])
        test = next(t for t in pair.tests if t.measure == "accuracy")
        low, high = test.ci95 or (np.nan, np.nan)
        counts = [str(test.only_first_right), str(test.only_second_right)]
        rows.append([WORDS[name], f"{test.difference:+.4f} ({low:+.4f} to {high:+.4f})", *counts, f"{test.p:.2g}"])
    show(["against", "difference (95 %)", "only both right", "only the other right", "p"], rows)

    wrong = large[large["blood both"] != blood]
    print(f"Wrong with both, 4 mm and more: {len(wrong)} of {len(large)}")
    for (truth, where, stage), some in wrong.groupby(["truth", "true_host", "true_stage"]):
        print(f"- {len(some)} {truth} in {where}{', ' + stage if stage else ''}")
    print()


def voxels(seed: int, number: int, inversion: bool) -> None:
    """The part `voxels`."""
    rows = []
    for k, size in enumerate(VOXEL_SIZES_MM):
        scanner = scanner_of(seed + k)
        calibration = simulated_calibration(seed + k, scanner=scanner)
        row = [f"{size:g}"]
        for kind, arrangement in (("mixed", "rim"), ("mixed", "halves"), ("haemorrhage", ""), ("calcification", "")):
            options = LesionOptions(
                scanner=scanner, inversion=inversion, arrangements={arrangement: 1.0} if arrangement else {"rim": 1.0}
            )
            lesions = simulate_lesions(
                seed + 50 + k,
                number,
                kind={kind: 1.0},
                diameter_mm=size,
                misregistration_mm=(0.0, 1.0),
                options=options,
            )
            found = [pattern_of(lesion, calibration) for lesion in lesions]
            mixed = proportion_of(np.array([p != "" for p in found]), "mixed")
            assert mixed.value is not None
            assert mixed.ci95 is not None
            text = f"{mixed.value:.2f} ({mixed.ci95[0]:.2f}-{mixed.ci95[1]:.2f})"
            if arrangement == "rim":
                text += f"; {np.mean([p == 'calcified rim around blood' for p in found]):.2f}"
            row.append(text)
        rows.append(row)
    print(f"Lesions whose voxels are called mixed, {number} in each cell, seed {seed}\n")
    show(["diameter, mm", "rim around blood; called a rim", "two halves", "blood only", "calcium only"], rows)


def pattern_of(lesion: SimulatedLesion, calibration: Calibration) -> str:
    """What the voxels of a lesion say; empty for no pattern."""
    known, _ = assumptions_for(calibration)
    inside = look_inside(lesion.lesion_labels, known, qsm=lesion.qsm, ct=lesion.ct, transform=lesion.ct_from_mr)
    return inside[1].composition.pattern if 1 in inside else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a quarter of the lesions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=("classes", "voxels", "mass", "all"), default="all")
    parser.add_argument("--inversion", action="store_true")
    given = parser.parse_args()
    share = 4 if given.quick else 1
    started = time.process_time()
    if given.part in ("classes", "all"):
        classes(given.seed, 240 // share, given.inversion)
    if given.part in ("voxels", "all"):
        voxels(given.seed, 40 // share, given.inversion)
    if given.part in ("mass", "all"):
        from lesions_mass import masses

        masses(given.seed, 24 // share, given.inversion)
    print(f"{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
