"""The report of an alignment shows all evidence, landmarks and vials that the record holds, and nothing it lacks."""

import numpy as np
import SimpleITK as sitk

from phantomcal.registration.landmarks import Landmarks, landmark_error
from phantomcal.registration.vials import align_vials
from phantomcal.report.compose import alignment_report
from phantomcal.report.page import render
from phantomcal.results import Direction
from tests.registration.test_vials import CT_POSE, LAYOUT, MR_POSE, _lines
from tests.report.records import alignment
from tests.report.test_page import Page

WAYS = [
    Direction(words=f"motion {k}", turn=(1, 0, 0), shift=(0, 0, 0), curvature_nats_per_mm2=0.3 / k, relative_sd=k**0.5)
    for k in range(1, 7)
]
EVIDENCE = {
    "predicted_error_ci95_mm": (0.05, 0.31),
    "repeat_mm": 0.041,
    "forward_backward_mm": 0.052,
    "spread_per_nat_mm": 5.7,
    "edge_agreement": 0.91,
    "outline_agreement": 0.925,
    "mirrored_ratio": 0.727,
    "covered_fraction": 0.97,
    "directions": WAYS,
    "least_determined": "motion 6",
    "interpolation": "bspline",
    "outside_hu": -1024.0,
    "outside_share": 0.081,
}


def _text(record):
    return Page(render(alignment_report(record))).text


def test_every_piece_of_evidence_is_shown_with_its_number():
    text = _text(alignment(**EVIDENCE))
    for words in ("0.04 mm", "0.05 mm", "5.7 mm per nat", "0.91", "92.5 %", "0.727 ×", "97.0 %", "motion 6"):
        assert words in text, words
    assert "95 % of simulated heads like this: 0.05 to 0.31 mm" in text
    assert "one cubic B-spline interpolation" in text
    assert "8.1 %" in text
    assert "−1024 HU" in text
    assert "10.1109/83.887976" in text
    assert "10.1007/11866763_89" in text


def test_what_was_not_gathered_is_not_asked():
    text = _text(alignment())
    for words in ("Evidence", "Does the way back", "Landmarks", "Vials of CT", "interpolation"):
        assert words not in text
    assert "10.1007" not in text


def test_an_error_that_cannot_be_predicted_is_not_given_as_one():
    report = alignment_report(alignment("fail", **EVIDENCE | {"predicted_error_ci95_mm": None}))
    assert report.key_numbers[0].value == "over 0.40 mm"
    assert "cannot be predicted" in report.key_numbers[0].detail


def test_a_given_transform_is_called_so():
    report = alignment_report(alignment("review", method="given", settling_mm=1.7, **EVIDENCE))
    assert "judged" in report.title
    assert "1.70 mm" in Page(render(report)).text


def test_landmarks_are_summed_up_and_listed():
    rng = np.random.default_rng(0)
    labels, points = tuple("abcde"), rng.uniform(-60, 60, (5, 3))
    error = landmark_error(
        Landmarks((*labels, "spare"), np.vstack([points + rng.normal(0, 1, (5, 3)), np.zeros(3)])),
        Landmarks(labels, points),
        sitk.Transform(),
    )
    text = _text(alignment(landmarks=error))
    assert f"{error.rms_mm:.2f} mm" in text
    assert f"largest {error.worst_mm:.2f} mm at {error.worst_label}" in text
    assert "Picking the points explains" in text
    assert "Only in the CT: spare." in text
    assert "Measured with landmarks" in text
    assert "10.1109/42.736021" in text


def test_vials_show_their_parameters_and_what_stays_open():
    fit = align_vials(_lines(CT_POSE), _lines(MR_POSE))
    record = alignment(
        method="vials",
        vials=fit.record,
        mutual_information=None,
        mutual_information_start=None,
        start_spread_mm=None,
        n_repeats=0,
    )
    text = _text(record)
    assert "shift along the vials" in text
    assert "left open by the vials" in text
    assert "turn about the vials" in text
    assert "across the vials; along them the shift is not determined" in text
    assert text.count("95 % interval") >= 5
    assert "weighted least squares on the lines of 8 vials" in text
    assert "maximised mutual information" not in text
    assert LAYOUT.shape[0] == fit.record.n_vials
