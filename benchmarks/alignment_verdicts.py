"""How far verdicts and predicted errors of alignments can be trusted, on simulated heads made worse in many ways.

Every head gets a random pose, and by chance noise, shading, thick slices, missing parts, no skull. The result is
judged, and so are the same pose displaced by 3 to 20 mm, and a local optimum far from the truth. Printed are the
evidence of right and wrong results, the line that predicts the error with its coverage, and how many of each pass.

    python -m benchmarks.alignment_verdicts [--heads 60] [--seed 0] [--rows FILE.csv]
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from phantomcal.registration.align import align
from phantomcal.registration.heads import FixedKind
from phantomcal.registration.prepared import prepare, refine
from phantomcal.registration.quality import target_error_mm
from phantomcal.registration.transforms import middle_mm
from phantomcal.simulate.head import HeadOptions, simulate_head

CT_SLICES_MM = (0.8, 1.0, 1.25, 2.5, 3.0, 4.0, 5.0)
MR_SPACINGS_MM = ((1.0, 1.0, 1.0), (1.0, 1.0, 1.5), (0.8, 0.8, 2.0), (1.2, 1.2, 2.5), (1.0, 1.0, 3.0))
WRONG_MM = 2.0
EVIDENCE = (
    "repeat_mm",
    "forward_backward_mm",
    "spread_per_nat_mm",
    "edge_agreement",
    "outline_agreement",
    "mirrored_ratio",
    "mutual_information",
)


@dataclass(frozen=True)
class Case:
    """One pair with its truth (MR to CT points) and what was done to it."""

    ct: sitk.Image
    mr: sitk.Image
    kind: FixedKind
    truth: sitk.Transform
    faults: str


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", default="", help="write every judged result to this CSV")
    options = parser.parse_args()
    rows = []
    for number in range(options.heads):
        rng = np.random.default_rng([options.seed, number])
        rows += list(judged(case(rng), rng))
        print(f"\r{number + 1} of {options.heads} heads", end="", flush=True)
    print()
    frame = pd.DataFrame(rows)
    if options.rows:
        frame.to_csv(options.rows, index=False)
    report(frame)


def case(rng: np.random.Generator) -> Case:
    """Simulate a head and make it worse by chance."""
    ct_mm = float(rng.choice(CT_SLICES_MM))
    head = simulate_head(
        int(rng.integers(1 << 30)),
        options=HeadOptions(
            ct_spacing_mm=(0.6, 0.6, ct_mm),
            mr_spacing_mm=MR_SPACINGS_MM[rng.integers(len(MR_SPACINGS_MM))],
            max_rotation_deg=25.0,
            ct_noise_hu=float(rng.choice([3.0, 5.0, 9.0])),
            magnitude_noise=float(rng.choice([0.01, 0.03, 0.06])),
        ),
    )
    kind: FixedKind = "qsm" if rng.random() < 0.2 else "magnitude"
    ct = sitk.Cast(head.ct, sitk.sitkFloat32)
    mr, faults = (head.qsm if kind == "qsm" else head.magnitude), []
    if rng.random() < 0.25:
        ct = _noisy(ct, float(rng.choice([15.0, 40.0])), rng)
        faults.append("noisy CT")
    if kind == "magnitude" and rng.random() < 0.25:
        level = float(np.percentile(sitk.GetArrayViewFromImage(mr), 90))
        mr = _noisy(mr, level * float(rng.choice([0.08, 0.2])), rng)
        faults.append("noisy MR")
    if kind == "magnitude" and rng.random() < 0.3:
        mr = _shaded(mr, rng)
        faults.append("shading")
    if kind == "magnitude" and rng.random() < 0.1:
        mr = sitk.Mask(mr, head.qsm != 0, 0.0)
        faults.append("skull stripped")
    if rng.random() < 0.2:
        ct = _cropped(ct, rng)
        faults.append("part of the CT")
    if rng.random() < 0.15:
        mr = _cropped(mr, rng)
        faults.append("part of the MR")
    axis = rng.normal(size=3)
    turn = Rotation.from_rotvec(np.radians(rng.uniform(0, 25)) * axis / np.linalg.norm(axis))
    move = _rigid(turn, rng.uniform(-20, 20, 3), middle_mm(ct))
    truth = sitk.CompositeTransform([move, head.ct_from_mr])
    return Case(_placed(ct, move), mr, kind, truth, ", ".join(faults))


def judged(pair: Case, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """The search's result, a displaced pose, and a local optimum: verdict, evidence, and the true error."""
    prepared = prepare(pair.ct, pair.mr, pair.kind)
    points = prepared.points_mm
    found = align(pair.ct, pair.mr, fixed_kind=pair.kind)
    trials = {"searched": found}
    base = found.transform
    by = float(rng.choice([3.0, 8.0, 20.0]))
    displaced = _rigid(_turn(rng, by / 90) * _rotation(base), _shift(base) + 0.8 * by * _unit(rng), _centre(base))
    trials[f"displaced by {by:.0f} mm"] = align(pair.ct, pair.mr, fixed_kind=pair.kind, given=displaced)
    far = _rigid(
        _turn(rng, rng.uniform(0.6, 3.1)) * _rotation(base), _shift(base) + rng.normal(0, 15, 3), _centre(base)
    )
    trials["local optimum"] = align(pair.ct, pair.mr, fixed_kind=pair.kind, given=refine(prepared, far))
    for what, result in trials.items():
        error = float(np.sqrt((target_error_mm(result.transform, pair.truth, points) ** 2).mean()))
        record = result.alignment
        covered = min(record.overlap_fraction, record.covered_fraction or 0.0)
        low, high = record.predicted_error_ci95_mm or (math.nan, math.nan)
        yield {
            "what": what,
            "kind": pair.kind,
            "faults": pair.faults,
            "error_mm": error,
            "predicted_mm": record.predicted_error_mm,
            "low_mm": low,
            "high_mm": high,
            "covered": covered,
            "verdict": record.verdict,
        } | {name: getattr(record, name) for name in EVIDENCE}


def report(frame: pd.DataFrame) -> None:
    """Tables of evidence, prediction and verdicts."""
    right = frame[frame.error_mm <= WRONG_MM]
    wrong = frame[frame.error_mm > WRONG_MM]
    print(f"\nevidence: 2.5 %, median, 97.5 % of {len(right)} right and {len(wrong)} wrong results (none: no top)")
    for name in EVIDENCE:
        parts = []
        for group in (right, wrong):
            values = group[name].astype(float)
            ends = values.quantile([0.025, 0.5, 0.975])
            parts.append("  ".join(f"{v:7.3f}" for v in ends) + f"  none {values.isna().mean():4.0%}")
        print(f"  {name:<20}" + "   |   ".join(parts))
    searched = frame[(frame.what == "searched") & (frame.error_mm <= WRONG_MM) & frame.spread_per_nat_mm.notna()]
    x = np.column_stack([np.ones(len(searched)), np.log(searched.spread_per_nat_mm), 1 - searched.covered])
    y = np.log(searched.error_mm.to_numpy())
    line, *_ = np.linalg.lstsq(x, y, rcond=None)
    left_out = (y - x @ line) / (1 - np.einsum("ij,ji->i", x, np.linalg.pinv(x)))
    print(f"\nln error = {line[0]:.2f} + {line[1]:.2f} ln spread + {line[2]:.2f} (1 - covered), n {len(y)}")
    print(f"95 % of left-out errors within a factor of {math.exp(np.quantile(np.abs(left_out), 0.95)):.2f}")
    inside = (searched.low_mm <= searched.error_mm) & (searched.error_mm <= searched.high_mm)
    print(f"intervals in force hold {inside.mean():.1%} of the searched results")
    print("\nverdicts")
    print(pd.crosstab([frame.error_mm > WRONG_MM, frame.what], frame.verdict).to_string())
    print(f"wrong results called pass: {int(((frame.error_mm > WRONG_MM) & (frame.verdict == 'pass')).sum())}")


def _noisy(image: sitk.Image, sd: float, rng: np.random.Generator) -> sitk.Image:
    return _like(sitk.GetArrayFromImage(image) + rng.normal(0, sd, image.GetSize()[::-1]), image)


def _shaded(image: sitk.Image, rng: np.random.Generator) -> sitk.Image:
    values = sitk.GetArrayFromImage(image)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in values.shape), indexing="ij"))
    field = np.tensordot(_unit(rng), grid, 1) + 0.5 * np.tensordot(rng.normal(0, 0.6, 3), grid**2, 1)
    return _like(values * np.exp(rng.uniform(0.3, 0.9) * field), image)


def _cropped(image: sitk.Image, rng: np.random.Generator) -> sitk.Image:
    size, start = list(image.GetSize()), [0, 0, 0]
    lost = int(size[2] * rng.uniform(0.15, 0.5))
    size[2] -= lost
    start[2] = lost * int(rng.integers(2))
    return sitk.RegionOfInterest(image, size, start)


def _placed(image: sitk.Image, move: sitk.Euler3DTransform) -> sitk.Image:
    """The image carried along by its header: nothing is interpolated."""
    placed = sitk.Image(image)
    placed.SetOrigin(move.TransformPoint(image.GetOrigin()))
    direction = np.array(move.GetMatrix()).reshape(3, 3) @ np.array(image.GetDirection()).reshape(3, 3)
    placed.SetDirection(direction.ravel().tolist())
    return placed


def _like(values: np.ndarray, image: sitk.Image) -> sitk.Image:
    made = sitk.GetImageFromArray(values.astype(np.float32))
    made.CopyInformation(image)
    return made


def _rigid(turn: Rotation, shift_mm: np.ndarray, centre_mm: np.ndarray) -> sitk.Euler3DTransform:
    transform = sitk.Euler3DTransform()
    transform.SetCenter(centre_mm.tolist())
    transform.SetMatrix(turn.as_matrix().ravel().tolist(), 1e-8)
    transform.SetTranslation(np.asarray(shift_mm).tolist())
    return transform


def _rotation(transform: sitk.Euler3DTransform) -> Rotation:
    return Rotation.from_matrix(np.array(transform.GetMatrix()).reshape(3, 3))


def _shift(transform: sitk.Euler3DTransform) -> np.ndarray:
    return np.array(transform.GetTranslation())


def _centre(transform: sitk.Euler3DTransform) -> np.ndarray:
    return np.array(transform.GetCenter())


def _turn(rng: np.random.Generator, angle_rad: float) -> Rotation:
    return Rotation.from_rotvec(angle_rad * _unit(rng))


def _unit(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=3)
    return np.asarray(vector / np.linalg.norm(vector))


if __name__ == "__main__":
    main()
