"""Detection limits: signs, replicates, and limits that do not exist."""

import numpy as np
import pytest

from phantomcal.phantom.fitting.fit import fit_line
from phantomcal.phantom.reading.detection import clsi_ep17, detections, din_32645, ich_q2
from phantomcal.phantom.reading.inverse import read_back

X = np.arange(8) * 200.0
NOISE = np.array([1, -1, 0.4, -0.7, 0.9, -0.2, -0.8, 0.4])


def test_a_falling_line_has_the_limits_of_its_mirror_image() -> None:
    y = 2.7e-4 * X + 0.01 * NOISE
    up, down = fit_line(X, y).curve, fit_line(X, -y).curve
    assert up is not None
    assert down is not None
    for one, other in zip(detections(up, X, y), detections(down, X, -y), strict=True):
        assert other.lod == pytest.approx(one.lod)
        assert other.critical_value == pytest.approx(one.critical_value)


def test_more_readings_lower_the_limit() -> None:
    curve = fit_line(X, 0.2 * X + NOISE).curve
    assert curve is not None
    assert (din_32645(curve, replicates=4).lod or 0) < (din_32645(curve).lod or 0)


def test_the_limit_of_quantification_is_read_with_its_own_precision() -> None:
    from scipy import stats

    curve = fit_line(X, 0.2 * X + NOISE).curve
    assert curve is not None
    loq = din_32645(curve, k=4.0).loq or 0
    reading = read_back(curve, curve.intercept + curve.slope * loq)
    assert stats.t.ppf(0.975, 6) * reading.standard_error == pytest.approx(loq / 4, rel=1e-6)


def test_an_uncertain_slope_has_no_limit_of_quantification() -> None:
    curve = fit_line(X, 0.001 * X + NOISE).curve
    assert curve is not None
    found = din_32645(curve)
    assert found.loq is None
    assert "no limit of quantification" in found.note


def test_ich_q2_is_3_and_10_residual_sds() -> None:
    curve = fit_line(X, 0.2 * X + NOISE).curve
    assert curve is not None
    assert ich_q2(curve).lod == pytest.approx(3.3 * curve.residual_sd / 0.2, rel=0.05)
    assert (ich_q2(curve).loq or 0) / (ich_q2(curve).lod or 1) == pytest.approx(10 / 3.3)


def test_ep17_by_hand_and_mirrored() -> None:
    blank, low = [0.1, -0.1, 0.2, -0.2, 0.0], [1.0, 1.2, 0.8, 1.1, 0.9]
    lob = 1.644854 * np.std(blank, ddof=1)
    lod = lob + 1.644854 / (1 - 1 / 16) * np.std(low, ddof=1)
    found = clsi_ep17(blank, low, slope=2.0, intercept=0.0)
    assert found.critical_value == pytest.approx(lob / 2)
    assert found.lod == pytest.approx(lod / 2)
    mirrored = clsi_ep17([-v for v in blank], [-v for v in low], slope=-2.0, intercept=0.0)
    assert mirrored.lod == pytest.approx(found.lod)
    assert "mirrored" in mirrored.note
    with pytest.raises(ValueError, match="two readings"):
        clsi_ep17([0.0], low, 2.0, 0.0)


def test_replicated_blanks_are_used_when_the_vials_hold_them() -> None:
    x = np.array([0.0, 0, 0, 5, 5, 10, 15])
    y = 2 * x + np.array([0.1, -0.1, 0, 0.2, -0.2, 0.1, -0.1])
    curve = fit_line(x, y).curve
    assert curve is not None
    assert "3 blanks" in next(d for d in detections(curve, x, y) if d.standard == "CLSI EP17").note
    assert "not replicated" in next(d for d in detections(curve, x[2:], y[2:]) if d.standard == "CLSI EP17").note
