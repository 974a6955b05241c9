"""A study of tiny people with given alignments, so that a session takes a moment."""

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

NAMES = ("pallidum", "putamen", "caudate", "thalamus")
SIZE = 20


def tiny_study(root: Path, n: int, seed: int = 1) -> Path:
    """Write `n` people of 20^3 voxels whose four regions follow HU = 40 + 300 ppm + noise; returns the study folder."""
    rng = np.random.default_rng(seed)
    study = root / "study"
    rows = ["participant_id\tage\tsex\tprotocol"]
    labels = np.zeros((SIZE,) * 3, np.uint8)
    labels[4:10, 4:10, 4:10], labels[4:10, 4:10, 10:16] = 1, 2
    labels[10:16, 4:10, 4:10], labels[10:16, 10:16, 4:16] = 3, 4
    for k in range(n):
        name = f"sub-{k + 1:03d}"
        rows.append(f"{name}\t{30 + k % 50}\t{'MF'[k % 2]}\t")
        levels = rng.normal(0.08, 0.04, 5)
        ppm = levels[labels] + rng.normal(0, 0.01, labels.shape)
        hu = 40 + 300 * ppm + rng.normal(0, 4, labels.shape)
        hu[0] = -1000.0
        save(hu.astype(np.float32), study / name / "ct" / f"{name}_ct.nii.gz")
        save(ppm.astype(np.float32), study / name / "anat" / f"{name}_Chimap.nii.gz")
        (study / name / "anat" / f"{name}_Chimap.json").write_text('{"Units": "ppm"}')
        anat = study / "derivatives" / "regions" / name / "anat"
        save(labels, anat / f"{name}_space-Chimap_dseg.nii.gz")
        sitk.WriteTransform(sitk.Euler3DTransform(), str(anat / f"{name}_from-Chimap_to-ct_xfm.tfm"))
    (study / "participants.tsv").write_text("\n".join(rows) + "\n")
    (study / "dataset_description.json").write_text(json.dumps({"Name": "tiny"}))
    lookup = "index\tname\n" + "".join(f"{k}\t{name}\n" for k, name in enumerate(NAMES, 1))
    (study / "derivatives" / "regions" / "dseg.tsv").write_text(lookup)
    return study


def save(array: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
