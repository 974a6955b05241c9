"""`decompose` as a user calls it: volumes, tables, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from scipy import ndimage

from phantomcal.outputs import write_record
from phantomcal.registration.quality import moved_mm
from tests.cli.conftest import Call
from tests.cli.test_bad_input import assert_refused
from tests.lesions.lines import SLOPES, calibration_of
from tests.registration.drawn import CENTRE_MM, drawn_pair, world_points

CALCIUM, IRON = 400.0, 4.0
TISSUE = (33.0, 0.01)
MAPS = ["concentration", "probability", "standard_error"]


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cal") / "calibration.json"
    write_record(calibration_of("iron", "calcium"), path)
    return path


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A block of tissue with a calcified and an iron-laden ball; the CT is finer and turned out of the map's axes."""
    folder = tmp_path_factory.mktemp("scans")
    rng = np.random.default_rng(4)
    found = {}
    centres = {"calcium": (-9.0, 0.0, 0.0), "iron": (9.0, 2.0, 1.0)}
    angle = np.radians(8.0)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    for name, size, spacing, noise in (
        ("ct", (120, 120, 32), (0.5, 0.5, 1.5), 3.0),
        ("Chimap", (46, 46, 36), (1.0, 1.0, 1.0), 0.006),
    ):
        way = turn if name == "ct" else np.eye(3)
        corner = -way @ ((np.array(size) - 1) / 2 * spacing)
        k, j, i = np.meshgrid(*[np.arange(n) for n in size[::-1]], indexing="ij")
        world = np.einsum("ab,b...->a...", way, np.stack([i, j, k]) * np.reshape(spacing, (3, 1, 1, 1)))
        world = world + corner[:, None, None, None]
        which = 0 if name == "ct" else 1
        values = np.full(i.shape, TISSUE[which])
        for material, amount in (("calcium", CALCIUM), ("iron", IRON)):
            r = np.sqrt(np.square(world - np.reshape(centres[material], (3, 1, 1, 1))).sum(axis=0))
            # Edges half a millimetre wide stand for partial volume.
            values += SLOPES[material][which] * amount * np.clip(4.0 - r + 0.5, 0, 1)
        values += noise * rng.standard_normal(values.shape)
        if name == "ct":
            values[:, :4] = -1000.0
        image = sitk.GetImageFromArray(values.astype(np.float32))
        image.SetSpacing(spacing)
        image.SetOrigin(corner.tolist())
        image.SetDirection(way.ravel().tolist())
        found[name] = folder / f"{name}.nii.gz"
        sitk.WriteImage(image, str(found[name]))
        if name == "Chimap":
            labels = np.zeros(values.shape, np.uint8)
            for number, centre in enumerate(centres.values(), start=1):
                r = np.sqrt(np.square(world - np.reshape(centre, (3, 1, 1, 1))).sum(axis=0))
                labels[r <= 4.0] = number
            drawn = sitk.GetImageFromArray(labels)
            drawn.CopyInformation(image)
            found["labels"] = folder / "lesions.nii.gz"
            sitk.WriteImage(drawn, str(found["labels"]))
    found["lookup"] = folder / "dseg.tsv"
    pd.DataFrame({"index": [1, 2], "name": ["chalk", "rust"]}).to_csv(found["lookup"], sep="\t", index=False)
    return found


@pytest.fixture(scope="module")
def asked(scans: dict[str, Path], calibration: Path) -> list[object]:
    return ["--ct", scans["ct"], "--qsm", scans["Chimap"], "--calibration", calibration, "--qsm-unit", "ppm"]


def read(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_maps_record_and_report(call: Call, scans: dict[str, Path], asked: list[object], tmp_path: Path) -> None:
    out = tmp_path / "out"
    lesions = ["--lesions", scans["labels"], "--lookup", scans["lookup"], "--transform", "identity"]
    done = call("decompose", *asked, *lesions, "-o", out)
    assert (done.code, done.err) == (0, "")
    expected = [f"{m}_{kind}.nii.gz" for m in ("calcium", "iron") for kind in MAPS]
    assert sorted(p.name for p in out.iterdir()) == sorted([*expected, "decomposition.json", "report.html"])
    labels = read(scans["labels"])
    inner = {n: ndimage.binary_erosion(labels == n, iterations=2) for n in (1, 2)}  # without partial volume
    for material, number, amount, other in (("calcium", 1, CALCIUM, "iron"), ("iron", 2, IRON, "calcium")):
        values, error = read(out / f"{material}_concentration.nii.gz"), read(out / f"{material}_standard_error.nii.gz")
        assert np.median(values[inner[number]]) == pytest.approx(amount, rel=0.1)
        assert np.median(np.abs(values - amount)[inner[number]]) < 2 * np.median(error[inner[number]])
        assert (values >= 0).all()
        nothing = read(out / f"{other}_probability.nii.gz")[inner[number]]
        assert np.median(nothing) < 0.5
        assert np.median(read(out / f"{material}_probability.nii.gz")[inner[number]]) > 0.99
    assert sitk.ReadImage(str(out / "iron_concentration.nii.gz")).GetSpacing() == (1.0, 1.0, 1.0)
    text = (out / "decomposition.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    record = json.loads(text)
    assert [m["name"] for m in record["materials"]] == ["iron", "calcium"]
    assert record["materials"][0]["files"] == [
        f"iron_{kind}.nii.gz" for kind in ("concentration", "standard_error", "probability")
    ]
    assert record["baseline"]["kind"] == "tissue"
    assert record["baseline"]["hu"] == pytest.approx(33.0, abs=0.5)
    assert record["noise_ppm"] == pytest.approx(0.006, rel=0.1)
    assert [o["lesion_id"] for o in record["lesions"]] == ["chalk", "rust"]
    volume = 4 / 3 * np.pi * (4.0**3 + 4.0 / 4)  # mean cube of a radius spread evenly over a millimetre
    truth = {"calcium": CALCIUM * volume * 40.078e-6, "iron": IRON * volume * 55.845e-6}
    for lesion, material in zip(record["lesions"], ("calcium", "iron"), strict=True):
        mass = next(m for m in lesion["masses"] if m["material"] == material)
        assert mass["mass_mg"] == pytest.approx(truth[material], rel=0.1)
        assert mass["ci95"][0] < truth[material] < mass["ci95"][1]
        assert mass["detected"]
    assert [o["verdict"] for o in record["lesions"]] == ["calcification", "haemorrhage"]
    assert record["lesions"][0]["probability_calcification"] > 0.99
    assert record["lesions"][0]["centre_mm"] == pytest.approx([-9.0, 0.0, 0.0], abs=0.6)
    assert {i["role"] for i in record["provenance"]["inputs"]} >= {"ct", "qsm", "calibration", "lesions", "lookup"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "chalk" in page
    assert "mg HA/cm³" in page
    assert "P(haemorrhage)" in page
    assert "chalk" in done.out


def test_a_lesion_is_found_again_on_a_ct_that_is_aligned_on_the_spot(
    call: Call, calibration: Path, tmp_path: Path
) -> None:
    """The same ball in a head scanned twice, the CT turned and shifted by a centimetre against the map."""
    pair = drawn_pair()
    middle, radius = CENTRE_MM + np.array([5.0, 38.0, 12.0]), 7.0  # in plain brain
    for name, image, place, slope in (
        ("ct", pair.ct, moved_mm(pair.truth, middle[None])[0], SLOPES["calcium"][0]),
        ("Chimap", pair.qsm, middle, SLOPES["calcium"][1]),
    ):
        inside = np.linalg.norm(world_points(image) - place, axis=-1) <= radius
        drawn = sitk.GetImageFromArray(sitk.GetArrayFromImage(image) + slope * CALCIUM * inside)
        drawn.CopyInformation(image)
        sitk.WriteImage(sitk.Cast(drawn, sitk.sitkFloat32), str(tmp_path / f"{name}.nii.gz"))
    labels = sitk.GetImageFromArray(inside.astype(np.uint8))
    labels.CopyInformation(pair.qsm)
    sitk.WriteImage(labels, str(tmp_path / "lesions.nii.gz"))
    sitk.WriteImage(pair.magnitude, str(tmp_path / "magnitude.nii.gz"))
    scans = ["--ct", tmp_path / "ct.nii.gz", "--qsm", tmp_path / "Chimap.nii.gz", "--calibration", calibration]
    aligned = ["--register", "--magnitude", tmp_path / "magnitude.nii.gz", "--lesions", tmp_path / "lesions.nii.gz"]
    done = call("decompose", *scans, *aligned, "-o", tmp_path / "out")
    assert done.code == 0, done
    record = json.loads((tmp_path / "out" / "decomposition.json").read_text(encoding="utf-8"))
    assert record["alignment"].startswith("aligned here by the magnitude (pass, predicted error")
    assert "magnitude" in {i["role"] for i in record["provenance"]["inputs"]}
    calcium = next(m for m in record["lesions"][0]["masses"] if m["material"] == "calcium")
    assert calcium["mass_mg"] == pytest.approx(CALCIUM * 4 / 3 * np.pi * radius**3 * 40.078e-6, rel=0.1)


def test_equal_inputs_give_equal_bytes(call: Call, scans: dict[str, Path], asked: list[object], tmp_path: Path) -> None:
    for name in ("a", "b"):
        more = ["--lesions", scans["labels"], "--unconstrained"]
        assert call("decompose", *asked, *more, "-o", tmp_path / name).code == 0
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert "iron_unconstrained.nii.gz" in names
    assert read(tmp_path / "a" / "iron_unconstrained.nii.gz").min() < 0
    for name in names:
        if name != "decomposition.json":
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    first, second = (json.loads((tmp_path / n / "decomposition.json").read_text()) for n in ("a", "b"))
    for record in (first, second):
        del record["provenance"]["run"]
    assert first == second
    # Without a transform the headers are trusted, and that is said.
    assert any("no transform was given" in w for w in first["warnings"])


def test_baselines_materials_and_forms(call: Call, scans: dict[str, Path], asked: list[object], tmp_path: Path) -> None:
    common = [*asked, "--transform", "identity", "--lesions", scans["labels"]]
    assert call("decompose", *common, "--baseline", "33:1,0.01:0.002", "-o", tmp_path / "given").code == 0
    record = json.loads((tmp_path / "given" / "decomposition.json").read_text())
    assert record["baseline"]["kind"] == "constant"
    parts = {p["source"]: p for p in record["lesions"][0]["masses"][1]["parts"]}
    assert parts["baseline"]["standard_error_mg"] > 0
    assert call("decompose", *common, "--baseline", "medium", "-o", tmp_path / "medium").code == 0
    record = json.loads((tmp_path / "medium" / "decomposition.json").read_text())
    assert any("medium of the vials" in w for w in record["warnings"])
    done = call(
        "decompose", *common, "--form", "iron=ferritin=0.1", "--materials", "calcium,iron", "-o", tmp_path / "form"
    )
    assert done.code == 0
    record = json.loads((tmp_path / "form" / "decomposition.json").read_text())
    assert [m["name"] for m in record["materials"]] == ["calcium", "iron"]
    assert record["materials"][1]["form"] == "ferritin"
    assert any("as given" in a for a in record["assumptions"])


def test_three_materials_give_ranges(call: Call, scans: dict[str, Path], tmp_path: Path) -> None:
    three, out = tmp_path / "calibration.json", tmp_path / "out"
    write_record(calibration_of("iron", "calcium", "iodine"), three)
    asked = ["--ct", scans["ct"], "--qsm", scans["Chimap"], "--calibration", three, "--transform", "identity"]
    done = call("decompose", *asked, "--lesions", scans["labels"], "-o", out)
    assert done.code == 0
    assert "ranges" in done.out
    low, high = read(out / "iodine_low.nii.gz"), read(out / "iodine_high.nii.gz")
    assert (low <= high).all()
    record = json.loads((out / "decomposition.json").read_text())
    assert "cannot be told from a mixture" in record["told_apart"]
    calcium = next(m for m in record["lesions"][0]["masses"] if m["material"] == "calcium")
    assert calcium["low_mg"] < calcium["high_mg"]
    assert (out / "report.html").is_file()


def test_a_table_is_decomposed_row_by_row(call: Call, calibration: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "regions.csv", tmp_path / "out"
    hu = [33 + SLOPES["calcium"][0] * 500, 33 + SLOPES["iron"][0] * 6, 33.0]
    ppm = [SLOPES["calcium"][1] * 500, SLOPES["iron"][1] * 6, 0.0]
    pd.DataFrame(
        {
            "roi": ["chalk", "rust", "none"],
            "ct_hu": hu,
            "qsm_ppm": ppm,
            "ct_sd_hu": 4.0,
            "qsm_sd_ppm": 0.008,
            "n_voxels": 100,
        }
    ).to_csv(table, index=False)
    assert call("decompose", "--table", table, "--calibration", calibration, "--baseline", "33,0", "-o", out).code == 0
    assert sorted(p.name for p in out.iterdir()) == ["decomposition.csv", "decomposition.json", "report.html"]
    rows = pd.read_csv(out / "decomposition.csv").set_index(["id", "material"])
    for key, amount in ((("chalk", "calcium"), 500.0), (("rust", "iron"), 6.0)):
        row = rows.loc[key]
        assert row["concentration_mmol_per_l"] == pytest.approx(amount, rel=0.05)
        assert row["ci95_low"] < amount < row["ci95_high"]
        assert row["probability"] > 0.99
    assert rows.loc[("rust", "iron"), "mg_per_100g"] == pytest.approx(6 * 55.845 / 10.4, rel=0.05)
    assert "not told from nothing" in rows.loc[("none", "iron"), "note"]
    # Without a baseline the vials' medium is taken, and a reader of tissue is told.
    assert call("decompose", "--table", table, "--calibration", calibration, "-o", tmp_path / "medium").code == 0
    warnings = json.loads((tmp_path / "medium" / "decomposition.json").read_text())["warnings"]
    assert any("--baseline HU,PPM" in w for w in warnings)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--baseline", "brain"], ["'brain' is no baseline", "37,0.01"]),
        (["--baseline", "fitted"], ["--lesions"]),
        (["--materials", "iron"], ["one material is no decomposition"]),
        (["--materials", "iron,lead"], ["'lead'", "calcium"]),
        (["--form", "iron"], ["names no form"]),
        (["--form", "iron=rust"], ["unknown form 'rust'", "ferritin"]),
        (["--hu-noise", "-1"], ["--hu-noise"]),
        (["--register", "--transform", "identity"], ["exclude each other"]),
        (["--magnitude", "m.nii.gz"], ["--register"]),
        (["--lookup", "names.tsv"], ["--lesions"]),
        (["--transform", "none.tfm"], ["no such transform file"]),
        (["--ct-column", "hu"], ["--ct-column belongs to a table"]),
        (["--table", "t.csv"], ["--ct and --qsm, or --table"]),
    ],
)
def test_bad_calls_are_refused(
    call: Call, asked: list[object], tmp_path: Path, more: list[str], words: list[str]
) -> None:
    out = tmp_path / "out"
    assert_refused(call("decompose", *asked, *more, "-o", out), out, *words)


def test_wrong_volumes_and_tables_are_refused(
    call: Call, scans: dict[str, Path], asked: list[object], calibration: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    far = sitk.ReadImage(str(scans["ct"]))
    far.SetOrigin([500.0, 0.0, 0.0])
    sitk.WriteImage(far, str(tmp_path / "far.nii.gz"))
    swapped = ["--ct", tmp_path / "far.nii.gz", *asked[2:]]
    assert_refused(call("decompose", *swapped, "-o", out), out, "different places", "phantomcal register")
    assert_refused(
        call("decompose", *asked, "--transform", "identity", "--lesions", scans["ct"], "-o", out), out, "label"
    )
    single = tmp_path / "t.csv"
    pd.DataFrame({"ct_hu": [50.0]}).to_csv(single, index=False)
    table = ["--table", single, "--calibration", calibration, "-o", out]
    assert_refused(call("decompose", *table), out, "no row has both", "concentration")
    assert_refused(call("decompose", *table, "--baseline", "mirror"), out, "mirror")
    assert_refused(call("decompose", *table, "--register"), out, "--register belongs to volumes")
    assert_refused(call("decompose", *table, "--lesions", scans["labels"]), out, "--lesions belongs to volumes")
