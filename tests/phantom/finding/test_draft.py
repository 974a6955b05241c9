"""A drafted protocol names the vials of its scan, is refused until it is complete, and then calibrates."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from phantomcal.errors import InputError
from phantomcal.phantom.finding.candidates import expected_values
from phantomcal.phantom.finding.draft import Drafted, draft_text, find_discs
from phantomcal.phantom.finding.locate import locate
from phantomcal.phantom.measuring.sample import measure
from phantomcal.protocol import Protocol, load_protocol
from tests.phantom.drawn import drawn_phantom

SIMULATED = load_protocol("simulated-gd-ca")
VALUES = expected_values(SIMULATED, "qsm")
VISIBLE = np.abs(VALUES) > 0.05


@cache
def scan(angle_deg: float, tilt_deg: float = 0.0, mirrored: bool = False) -> tuple[sitk.Image, np.ndarray]:
    return drawn_phantom(
        SIMULATED, VALUES, angle_deg=angle_deg, tilt_deg=tilt_deg, mirrored=mirrored, noise=0.01, size=(104, 104, 44)
    )


@cache
def found_upright() -> Drafted:
    return find_discs(scan(30)[0], "qsm")


@pytest.mark.parametrize("tilt_deg", [0.0, 8.0])
def test_every_visible_vial_is_found_in_its_place_with_its_radius(tilt_deg: float) -> None:
    image, _ = scan(30, tilt_deg)
    found = find_discs(image, "qsm")
    assert len(found.values) == VISIBLE.sum()
    assert found.radius_mm == pytest.approx(7.0, abs=0.4)
    assert found.length_mm == pytest.approx(60, abs=10)
    assert np.allclose(np.sort(found.values), np.sort(VALUES[VISIBLE]), atol=0.05)
    # Distances between the vials do not depend on roll, and only as long as the lean is followed on the lean.
    layout = np.array([[v.x_mm, v.y_mm] for v in SIMULATED.vials])[VISIBLE]
    by_value, mine = layout[np.argsort(VALUES[VISIBLE])], found.places_mm[np.argsort(found.values)]
    true, seen = (np.linalg.norm(p[:, None] - p[None], axis=2) for p in (by_value, mine))
    assert np.max(np.abs(true - seen)) < 1.0


def completed(text: str) -> dict:
    raw = yaml.safe_load(text)
    reads = [float(line.split("reads ")[1].split()[0]) for line in text.splitlines() if "reads" in line]
    raw |= {
        "title": "Mine",
        "source": "test",
        "materials": {"gadolinium": {"substance": "gadolinium"}, "calcium": {"substance": "CaCl2"}},
    }
    for vial, value in zip(raw["vials"], reads, strict=True):
        nearest = SIMULATED.vials[int(np.argmin(np.abs(VALUES - value)))]
        vial |= {"material": nearest.material, "concentration": nearest.value}
    return raw


def test_a_completed_draft_measures_its_own_scan_and_another_one() -> None:
    image, _ = scan(30)
    protocol = Protocol.model_validate(completed(draft_text(found_upright(), "qsm", "My phantom!", "a.nii")))
    assert protocol.name == "my-phantom"
    for other in (image, scan(-115, 6.0)[0], scan(80, mirrored=True)[0]):
        rows = measure(other, locate(other, protocol, "qsm"), protocol, "qsm")
        assert np.allclose([r.value for r in rows], expected_values(protocol, "qsm"), atol=0.03)


def test_a_draft_is_refused_until_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(draft_text(found_upright(), "qsm", "mine", "a.nii"), encoding="utf-8")
    with pytest.raises(
        InputError,
        match=r"not filled in: title; source; material of v1, v2, v3, v4 and .* concentration of v1.*mine\.yaml",
    ):
        load_protocol(path)


def test_said_radius_and_what_shows_no_discs(rng: np.random.Generator) -> None:
    image, _ = scan(30)
    assert find_discs(image, "qsm", vial_radius_mm=6.5).radius_mm == 6.5
    with pytest.raises(InputError, match="--vial-radius"):
        find_discs(image, "qsm", vial_radius_mm=0.2)
    noise = sitk.GetImageFromArray(rng.normal(0, 0.01, (30, 60, 60)).astype(np.float32))
    with pytest.raises(InputError, match=r"no vial-like discs.*noise\.nii"):
        find_discs(noise, "qsm", where="noise.nii")


def test_names_that_are_commands_are_not_given() -> None:
    text = draft_text(found_upright(), "qsm", "draft", "a.nii")
    assert yaml.safe_load(text)["name"] == "draft-phantom"
