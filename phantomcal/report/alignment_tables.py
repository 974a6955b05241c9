"""Tables of one alignment: the evidence, the six motions, landmarks, vials."""

import pandas as pd

from phantomcal.report.methods import alignment_methods
from phantomcal.report.numerals import NONE, fixed, interval, listed, percent
from phantomcal.report.page import Block, RowFlag, Section, TableBlock, Text
from phantomcal.results import Alignment, LandmarkError, VialAlignment

HABER_2006 = (
    "Haber E, Modersitzki J. Intensity gradient based registration and fusion of multi-modal images. MICCAI 2006; "
    "LNCS 4191:726-733. doi 10.1007/11866763_89"
)
FITZPATRICK_1998 = (
    "Fitzpatrick JM, West JB, Maurer CR. Predicting error in rigid-body point-based registration. IEEE Trans Med "
    "Imaging 1998;17:694-702. doi 10.1109/42.736021"
)
THEVENAZ_2000 = (
    "Thévenaz P, Unser M. Optimization of mutual information for multiresolution image registration. IEEE Trans Image "
    "Process 2000;9:2083-2099. doi 10.1109/83.887976"
)
KABSCH_1976 = (
    "Kabsch W. A solution for the best rotation to relate two sets of vectors. Acta Cryst 1976;A32:922-923. doi "
    "10.1107/S0567739476001873"
)


def evidence_tables(alignment: Alignment) -> list[Block]:
    """What is known about an alignment, a line each with how to read it, and the six motions, firmest first."""
    rows = _evidence(alignment)
    if not rows:
        return []
    frame = pd.DataFrame(rows, columns=["question", "answer", "read"])
    labels = {"question": "Question", "answer": "Answer", "read": "How to read it"}
    blocks: list[Block] = [TableBlock(frame, "Evidence", labels, numbers=("answer",))]
    if alignment.directions:
        blocks.append(_directions_table(alignment))
    return blocks


def landmark_section(error: LandmarkError) -> Section:
    """Measured target error, summary and landmark by landmark."""
    summary = (
        f"{error.n} landmarks: mean {fixed(error.mean_mm)} mm"
        + (f", SD {fixed(error.sd_mm)} mm" if error.sd_mm is not None else "")
        + f", RMS {fixed(error.rms_mm)} mm (95 % interval {interval(error.rms_ci95_mm)}), largest "
        f"{fixed(error.worst_mm)} mm at {error.worst_label}."
    )
    if error.localisation_rms_mm is not None:
        summary += (
            f" Picking the points explains {fixed(error.localisation_rms_mm)} mm of the RMS (from the landmarks' own "
            f"best rigid fit); {fixed(error.corrected_rms_mm)} mm are left for the alignment."
        )
    else:
        summary += " Four landmarks or more, not on one line, are needed to tell picking errors from the alignment's."
    for labels, there in ((error.only_in_ct, "CT"), (error.only_in_mr, "MR")):
        if labels:
            summary += f" Only in the {there}: {listed(labels)}."
    frame = pd.DataFrame([mark.model_dump() for mark in error.landmarks])
    names = {
        "label": "Landmark",
        "distance_mm": "Distance",
        "x_mm": "x, to the left",
        "y_mm": "y, to the back",
        "z_mm": "z, to the head",
    }
    numbers = [name for name in names if name != "label"]
    table = TableBlock(
        frame,
        "Aligned MR landmark less CT landmark",
        names,
        dict.fromkeys(numbers, "mm"),
        dict.fromkeys(numbers, ".2f"),
    )
    intro = "Distances between CT landmarks and where the alignment takes their namesakes. Picking errors are in them."
    return Section("Landmarks", intro, [Text(summary), table])


def vial_section(vials: VialAlignment) -> Section:
    """Parameters with their errors, what stays open, and the residual of every vial."""
    rows = [
        {
            "words": p.words,
            "value": f"{fixed(p.value, 3)} {'°' if p.unit == 'degrees' else 'mm'}",
            "error": NONE if p.standard_error is None else fixed(p.standard_error, 3),
            "range": f"{fixed(p.low, 3)} to {fixed(p.high, 3)}",
            "fixed": "95 % interval" if p.determined else "left open by the vials",
        }
        for p in vials.parameters
    ]
    flags: list[RowFlag] = ["" if p.determined else "warn" for p in vials.parameters]
    labels = {"words": "Parameter", "value": "Value", "error": "Standard error", "range": "Range", "fixed": "Range is"}
    parameters = TableBlock(
        pd.DataFrame(rows),
        "The six parameters, turning about the middle of the vials",
        labels,
        numbers=("value", "error", "range"),
        flags=flags,
        note=f"Undetermined: {vials.undetermined}. MR distances are {vials.scale_mr_over_ct:.4f} ± "
        f"{vials.scale_standard_error:.4f} times the CT's.",
    )
    residuals = TableBlock(
        pd.DataFrame([v.model_dump() for v in vials.vials]),
        "Residuals across the vials",
        {
            "vial_id": "Vial",
            "residual_mm": "Residual",
            "standard_error_mm": "Standard error",
            "used": "Used",
            "flag": "Remark",
        },
        {"residual_mm": "mm", "standard_error_mm": "mm, per direction"},
        {"residual_mm": ".3f", "standard_error_mm": ".3f"},
        flags=["" if v.used else "warn" for v in vials.vials],
        note=f"Reduced chi square {vials.reduced_chi_square:.2f}: above 1, standard errors are widened by its root.",
    )
    return Section(
        "Vials", "The vials of both scans as straight lines, joined by least squares.", [parameters, residuals]
    )


def methods_of(alignment: Alignment) -> str:
    """How the alignment came about and was judged, ready to paste."""
    if alignment.vials is not None:
        return (
            "CT and susceptibility map of the phantom were aligned rigidly by weighted least squares on the lines of "
            f"{alignment.vials.n_vials} vials followed through both scans (Kabsch 1976). Weights are the inverse "
            "squared standard errors of the vial centres, widened by the root of the reduced chi square where that "
            "exceeds 1. The shift along the vials is not determined by them; the middle of what their ends allow was "
            "used."
        )
    if alignment.method == "given":
        text = "A rigid transform made elsewhere was judged without being changed."
    else:
        text = alignment_methods([alignment])
    if alignment.predicted_error_ci95_mm is not None and alignment.spread_per_nat_mm is not None:
        text += (
            " The target error was predicted from the curvature of mutual information at the result and the share of "
            "the head that both images cover, by a regression over simulated heads; the interval held 95 % of their "
            "true errors. The verdict also rests on alignment in the other direction, on the agreement of edges "
            "(Haber and Modersitzki 2006), and on the fit of a mirrored image."
        )
    return text


def alignment_citations(alignment: Alignment) -> list[str]:
    """What the report's numbers rest on."""
    cited = []
    if alignment.mutual_information is not None:
        cited.append(THEVENAZ_2000)
    if alignment.edge_agreement is not None:
        cited.append(HABER_2006)
    if alignment.landmarks is not None and alignment.landmarks.localisation_rms_mm is not None:
        cited.append(FITZPATRICK_1998)
    if alignment.vials is not None:
        cited.append(KABSCH_1976)
    return cited


def _evidence(alignment: Alignment) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []

    def add(question: str, value: float | None, answer: str, read: str) -> None:
        if value is not None:
            rows.append((question, answer, read))

    repeat, back, settling = alignment.repeat_mm, alignment.forward_backward_mm, alignment.settling_mm
    add(
        "Do independent starts agree?",
        repeat,
        f"{fixed(repeat)} mm",
        f"RMS of {alignment.n_repeats} repeats with other starts and other samples",
    )
    add(
        "Does the way back lead back?",
        back,
        f"{fixed(back)} mm",
        "RMS distance between CT-to-MR and the inverse of MR-to-CT",
    )
    add(
        "Is there a better one nearby?",
        settling,
        f"{fixed(settling)} mm",
        "RMS distance from the transform given to the best alignment nearby",
    )
    edges, outline, mirror = alignment.edge_agreement, alignment.outline_agreement, alignment.mirrored_ratio
    add(
        "Do edges run the same way?",
        edges,
        fixed(edges),
        "mean squared cosine between gradients at MR edges: 1 at best, 0.33 by chance; not used for finding the pose",
    )
    add(
        "Is the MR head in the CT's head?",
        outline,
        percent(outline or 0.0),
        "of what lies in the CT's field of view",
    )
    add(
        "Does the MR cover the CT's head?",
        alignment.covered_fraction,
        percent(alignment.covered_fraction or 0.0),
        "what lies outside of one image is not checked by the other",
    )
    add(
        "Does a mirrored MR fit better?",
        mirror,
        f"{fixed(mirror, 3)} ×",
        "shared information with left and right swapped, over that as it is; near 1, header or pairing is suspect",
    )
    spread = alignment.spread_per_nat_mm
    add(
        "How firmly do the images hold the head?",
        spread,
        f"{fixed(spread, 1)} mm per nat",
        "motion that costs one nat of shared information; the predicted error grows with it",
    )
    return rows


def _directions_table(alignment: Alignment) -> TableBlock:
    frame = pd.DataFrame(
        {
            "words": [d.words for d in alignment.directions],
            "curvature": [d.curvature_nats_per_mm2 for d in alignment.directions],
            "relative": [d.relative_sd for d in alignment.directions],
        }
    )
    return TableBlock(
        frame,
        "The six independent motions, best determined first",
        {"words": "Motion", "curvature": "Curvature", "relative": "Relative error"},
        {"curvature": "nats per mm²", "relative": "best = 1"},
        {"curvature": ".4f", "relative": ".1f"},
        note="Turns count by their arc 60 mm from the centre. The last line is what the images determine worst.",
    )
