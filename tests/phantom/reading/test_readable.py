"""Calibrations read back from file: units, lines that cannot be used, pairs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phantomcal.errors import InputError
from phantomcal.outputs import provenance, write_record
from phantomcal.phantom.fitting.table import fit_table
from phantomcal.phantom.reading.inverse import read_back
from phantomcal.phantom.reading.readable import in_inner_unit, pairs_of, readable_lines
from phantomcal.results import Calibration
from phantomcal.steps.saved import read_calibration

X = np.array([0, 1, 2, 4, 8.0])
NOISE = np.array([0.02, -0.01, 0.01, -0.02, 0.01])


def fitted(y: np.ndarray, column: str, **more: object) -> Calibration:
    table = pd.DataFrame({"concentration_mmol_per_l": X, column: y, "material": "gadolinium", **more})
    return fit_table(table, provenance("fit", [], {}, 0.0), y=column, by=["material"])


def test_a_line_in_ppb_reads_ppm(rng: np.random.Generator) -> None:
    y = 0.338 * X + NOISE
    ppm, ppb = fitted(y, "qsm_ppm"), fitted(1000 * y, "qsm_ppb")
    assert ppb.lines[0].unit == "ppb"
    one, other = (read_back(in_inner_unit(c.lines[0]), 1.0, standard_error=0.01) for c in (ppm, ppb))
    assert other.amount == pytest.approx(one.amount)
    assert other.interval == pytest.approx(one.interval)


def test_a_calibration_survives_its_file(tmp_path: Path) -> None:
    record = fitted(5.69 * X + NOISE, "ct_hu")
    write_record(record, tmp_path / "calibration.json")
    assert read_calibration(tmp_path / "calibration.json") == record


def test_only_materials_with_both_lines_are_pairs() -> None:
    ct, qsm = fitted(5.69 * X + NOISE, "ct_hu"), fitted(0.338 * X + NOISE, "qsm_ppm")
    lines, notes = readable_lines(ct.model_copy(update={"lines": [*ct.lines, *qsm.lines]}), "c.json")
    assert notes == []
    assert list(pairs_of(lines)) == ["gadolinium"]
    assert pairs_of(lines)["gadolinium"].calibrated_range == (0, 8)
    alone, _ = readable_lines(ct, "c.json")
    assert pairs_of(alone) == {}


def test_lines_that_cannot_be_read_are_named_and_doubles_refused() -> None:
    ct = fitted(5.69 * X + NOISE, "ct_hu")
    two = ct.lines[0].model_copy(update={"material": "iron", "slope_se": None})
    lines, notes = readable_lines(ct.model_copy(update={"lines": [*ct.lines, two]}), "c.json")
    assert list(lines) == [("gadolinium", "ct")]
    assert notes == ["iron ct: a line without slope or errors cannot be read backwards; not read"]
    with pytest.raises(InputError, match="two lines of gadolinium in ct"):
        readable_lines(ct.model_copy(update={"lines": ct.lines * 2}), "c.json")
    with pytest.raises(InputError, match="no line gives a concentration"):
        readable_lines(ct.model_copy(update={"lines": [two]}), "c.json")
