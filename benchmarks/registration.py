"""Simulated heads: seconds and target error of the alignment, beside a plain SimpleITK recipe on the same pairs.

``python benchmarks/registration.py [N]`` simulates N heads (6 by default) in random poses, CT slices of 1.25, 2.5 and
5 mm in turn. Each pair is aligned by `phantomcal.registration.rigid.register` (which uses one thread, for equal bytes)
and by the usual recipe of SimpleITK's tutorials (which uses all) with either of its optimisers, one after the other in
this process.
"""

import argparse
import os
import platform
import time
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from phantomcal.registration.heads import points_mm
from phantomcal.registration.quality import target_error_mm
from phantomcal.registration.rigid import register
from phantomcal.simulate.head import HeadOptions, simulate_head

SLICES_MM = (1.25, 2.5, 5.0)
_POINTS = 2000
_OURS, _PLAIN = "phantomcal", ("plain, gradient", "plain, regular step")


def plain_recipe(ct: sitk.Image, fixed: sitk.Image, regular_step: bool) -> sitk.Transform:
    """Rigid alignment as SimpleITK's tutorials show it.

    Centres of the volumes, Mattes mutual information of 50 bins on 1 % of the voxels, one pyramid of three levels, as
    in the notebook "Introduction to registration". Its gradient descent often takes itself for converged too early;
    regular steps go on until they are small.
    """
    start = sitk.CenteredTransformInitializer(
        fixed, ct, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.GEOMETRY
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=50)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.01, 1)
    method.SetInterpolator(sitk.sitkLinear)
    if regular_step:
        method.SetOptimizerAsRegularStepGradientDescent(learningRate=1.0, minStep=1e-3, numberOfIterations=200)
    else:
        method.SetOptimizerAsGradientDescent(
            learningRate=1.0, numberOfIterations=100, convergenceMinimumValue=1e-6, convergenceWindowSize=10
        )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2.0, 1.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=False)
    return method.Execute(fixed, ct)


def compare(seed: int, slice_mm: float) -> list[dict[str, Any]]:
    """Simulate one head and align it by both recipes; errors are over the brain, against the true transform."""
    head = simulate_head(seed, options=HeadOptions(ct_spacing_mm=(0.5, 0.5, slice_mm)))
    ct = sitk.Cast(head.ct, sitk.sitkFloat32)
    brain = points_mm(head.qsm != 0, _POINTS)
    before = target_error_mm(sitk.Transform(), head.ct_from_mr, brain)
    rows = []
    for recipe in (_OURS, *_PLAIN):
        row: dict[str, Any] = {"head": seed, "slice mm": slice_mm, "apart mm": before.mean(), "recipe": recipe}
        started, busy = time.perf_counter(), time.process_time()
        if recipe in _PLAIN:
            transform = plain_recipe(ct, head.magnitude, regular_step=recipe == _PLAIN[1])
            row |= {"verdict": "", "predicted mm": np.nan}
        else:
            found = register(ct, head.magnitude)
            transform = found.transform
            row |= {"verdict": found.alignment.verdict, "predicted mm": found.alignment.predicted_error_mm}
        row |= {"seconds": time.perf_counter() - started, "CPU s": time.process_time() - busy}
        row["error"] = target_error_mm(transform, head.ct_from_mr, brain)
        rows.append(row)
    return rows


def spread(errors: "pd.Series[Any]") -> dict[str, float]:
    """Mean, 95th percentile and worst of pooled errors."""
    pooled = np.concatenate(list(errors))
    return {"mean mm": pooled.mean(), "p95 mm": np.percentile(pooled, 95), "worst mm": pooled.max()}


def report(rows: pd.DataFrame) -> None:
    """Print the tables."""
    errors = pd.DataFrame([spread(pd.Series([e])) for e in rows["error"]], index=rows.index)
    each = pd.concat([rows.drop(columns="error"), errors], axis=1)
    print("\nEach head, target error over the brain")
    print(each.to_string(index=False, float_format="{:.2f}".format, na_rep=""))
    groups = [(f"{s:g} mm slices", rows[rows["slice mm"] == s]) for s in sorted(rows["slice mm"].unique())]
    summary = []
    for name, part in [*groups, ("all", rows)]:
        for recipe in (_OURS, *_PLAIN):
            own = part[part["recipe"] == recipe]
            means = own["error"].map(np.mean)
            verdicts = ", ".join(f"{n} {v}" for v, n in own["verdict"].value_counts().items() if v)
            summary.append(
                {
                    "heads": name,
                    "recipe": recipe,
                    "n": len(own),
                    "median s": own["seconds"].median(),
                    "median CPU s": own["CPU s"].median(),
                    **spread(own["error"]),
                    "under 1 mm": f"{(means < 1).sum()} of {len(own)}",
                    "verdicts": verdicts,
                }
            )
    print("\nBy slice thickness")
    print(pd.DataFrame(summary).to_string(index=False, float_format="{:.2f}".format))
    ours, *others = summary[-1 - len(_PLAIN) :]
    figures = ("median s", "median CPU s", "mean mm", "p95 mm", "worst mm")
    ratios = [{"recipe": other["recipe"], **{key: other[key] / ours[key] for key in figures}} for other in others]
    print(f"\nOver {_OURS}, all heads: above 1 is slower or less accurate")
    print(pd.DataFrame(ratios).to_string(index=False, float_format="{:.2f}".format))


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("n", nargs="?", type=int, default=6, help="number of heads (default 6)")
    options = parser.parse_args()
    if options.n < 1:
        parser.error("N is a whole number from 1")
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    print(
        f"{options.n} heads, {platform.machine()}, {os.cpu_count()} cores, plain recipe on {threads} threads",
        flush=True,
    )
    rows = []
    for k in range(options.n):
        rows += compare(k + 1, SLICES_MM[k % len(SLICES_MM)])
        print(f"head {k + 1} done", flush=True)
    report(pd.DataFrame(rows))


if __name__ == "__main__":
    main()
