"""Faulty vials of a simulated scan are named, left out or cleaned, and the lines come out right without them."""

import numpy as np
import pytest
import SimpleITK as sitk

from phantomcal.errors import InputError
from phantomcal.outputs import provenance
from phantomcal.phantom.calibration import Calibrated, calibrate
from phantomcal.phantom.finding.overrides import overrides
from phantomcal.protocol import load_protocol
from phantomcal.results import InputFile
from phantomcal.simulate.phantom import CtSession, MrSession, simulate_phantom
from phantomcal.simulate.shapes import Pose
from phantomcal.simulate.vials import Faults
from phantomcal.volumes import Volume

SIMULATED = load_protocol("simulated-gd-ca")
FAULTS = Faults(bubbles=("Gd2.5",), empty=("Ca300",), missing=("Gd5",))
WORDS = {"Gd2.5": "air bubble", "Ca300": "empty", "Gd5": "missing"}


@pytest.fixture(scope="module")
def volumes() -> dict[str, Volume]:
    scan = simulate_phantom(
        SIMULATED,
        11,
        ct=CtSession(pose=Pose(200, 12, 60, True, (6, -4, 2)), spacing_mm=(0.9, 0.9, 2.5)),
        mr=MrSession(pose=Pose(35, 5, 10, False, (0, 3, 0)), spacing_mm=(1.5, 1.5, 2.0)),
        faults=FAULTS,
        workers=1,
    )
    images = {"ct": scan.ct, "qsm": scan.qsm, "magnitude": scan.magnitude}
    return {
        kind: Volume(sitk.Cast(image, sitk.sitkFloat32), kind, InputFile(role=kind, name=f"{kind}.mha", sha256=""))
        for kind, image in images.items()
    }


def calibrated(volumes: dict[str, Volume], *kinds: str, **options: object) -> Calibrated:
    return calibrate(
        SIMULATED,
        [volumes[k] for k in kinds],
        provenance("calibrate", [], {}, 0.0),
        overrides=overrides(**options),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("kinds", [("ct",), ("qsm",), ("qsm", "magnitude")])
def test_each_fault_is_named_in_each_scan(volumes: dict[str, Volume], kinds: tuple[str, ...]) -> None:
    record = calibrated(volumes, *kinds).record
    flags = {v.vial_id: v.flag for v in record.vials if v.flag}
    assert {name: flags.get(name, "").split(":")[0] for name in WORDS} == WORDS
    assert set(flags) == set(WORDS)
    vials = {v.vial_id: v for v in record.vials}
    assert not vials["Ca300"].used
    assert not vials["Gd5"].used
    assert (vials["Gd2.5"].n_bubble_voxels or 0) > 20
    # A bubble can be cut out of a CT; the field of one on a map cannot.
    assert vials["Gd2.5"].used == (kinds[0] == "ct")
    slopes = {line.material: line.slope / line.expected_slope for line in record.lines if line.expected_slope}
    near = 0.02 if kinds[0] == "ct" else 0.2
    assert all(abs(ratio - 1) < near for ratio in slopes.values())
    if kinds[0] == "ct":
        assert vials["Gd2.5"].value == pytest.approx(2.5 * 5.69, abs=1.0)


def test_effects_of_place_and_wall_are_of_their_size(volumes: dict[str, Volume]) -> None:
    vials = calibrated(volumes, "ct").record.vials
    assert all(v.position_effect is not None and 0 <= v.position_effect < 1.0 for v in vials)
    assert all(v.edge_effect is not None and 0 <= v.edge_effect < 1.0 for v in vials)
    assert all(v.background == pytest.approx(0.0, abs=3.0) for v in vials)
    # Without erosion the mask takes the wall in, and says so.
    wide = calibrated(volumes, "ct", erosion_mm=0.0).record.vials
    strong = [k for k, v in enumerate(vials) if v.vial_id in ("Ca1200", "Ca1500")]
    assert min((wide[k].edge_effect or 0) for k in strong) > 5 * max((vials[k].edge_effect or 0) for k in strong)
    assert all(v.n_edge_voxels == 0 for v in wide)
    assert np.mean([v.n_voxels or 0 for v in wide]) > np.mean([v.n_voxels or 0 for v in vials])


def test_a_magnitude_calibrates_nothing_by_itself(volumes: dict[str, Volume]) -> None:
    with pytest.raises(InputError, match=r"no line to fit.*magnitude\.mha"):
        calibrated(volumes, "magnitude")
    with pytest.raises(InputError, match="without its QSM map"):
        calibrated(volumes, "ct", "magnitude")


def test_slices_are_those_of_one_scan(volumes: dict[str, Volume]) -> None:
    with pytest.raises(InputError, match="one at a time"):
        calibrated(volumes, "ct", "qsm", first_slice=10)


def test_an_orientation_of_a_scan_that_is_not_given_is_refused(volumes: dict[str, Volume]) -> None:
    with pytest.raises(InputError, match="--orient qsm= without that scan"):
        calibrated(volumes, "ct", orient=["qsm=90"])
