"""The pages that the browser opens, and what is kept of them while they are open."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from phantomcal.report.blocks import vial_picture
from phantomcal.report.compose import alignment_report, calibration_report, correlation_report, study_report
from phantomcal.report.page import Callout, Card, Cards, Figure, KeyNumber, Report, Section, TableBlock, Text, render
from phantomcal.report.viewer import Outline, ct_layer, overlay_layer, qsm_layer, viewer
from tests.report.records import alignment, calibration, correlation, provenance, region_table, series, study
from tests.report.test_page import PNG, SVG

HOSTILE = "</script><script>window.taken = 1</script>\"' onerror=window.taken=1 \u202egnp.x \u2028 <img src=x>"
NUMBERS = [0.125, -2.5, None, 3.3333333333333335, 1e-7, 12345.678, -0.001, 7.0, 41.5, 0.0]


class Opened:
    """A page, its errors, and the addresses it asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda said: self.errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.route("**/*", self._judge)

    def _judge(self, route: Any) -> None:
        address = route.request.url
        if address.startswith(("data:", "blob:")) or address == self.address:
            route.continue_()
        else:
            self.asked.append(address)
            route.abort()

    def open(self, path: Path) -> None:
        """Go to a file and wait until its volumes are there."""
        self.address = path.as_uri()
        self.page.goto(self.address)

    def wait_for_volumes(self) -> None:
        """Every viewer unpacked and drawn."""
        for figure in self.page.query_selector_all("figure.viewer"):
            figure.scroll_into_view_if_needed()
            self.page.wait_for_function("figure => figure.dataset.ready", arg=figure)
        self.settle()

    def settle(self) -> None:
        """Two frames later, when what was asked for is drawn."""
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def volumes() -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """A head of a kind: CT (HU), map (ppm) and a label map with a calcified and a bled part."""
    z, y, x = np.mgrid[:40, :56, :48].astype(np.float32)
    away = ((x - 24) / 22) ** 2 + ((y - 28) / 26) ** 2 + ((z - 20) / 19) ** 2
    lesions = np.zeros(away.shape, np.uint8)
    lesions[(x - 14) ** 2 + (y - 28) ** 2 + (z - 20) ** 2 < 30] = 1
    lesions[(x - 34) ** 2 + (y - 30) ** 2 + (z - 22) ** 2 < 40] = 2
    ct = np.where(away < 0.8, 35.0, np.where(away < 1, 900.0, -1000.0)) + 5 * np.sin(x)
    ct = np.where(lesions == 1, 300.0, np.where(lesions == 2, 70.0, ct))
    chi = np.where(away < 0.8, 0.02 * np.cos(y / 3), 0.0)
    chi = np.where(lesions == 1, -0.3, np.where(lesions == 2, 0.4, chi))
    made = []
    for array in (ct.astype(np.float32), chi.astype(np.float32), lesions):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((3.5, 3.5, 4.0))
        image.SetOrigin((-80.0, -95.0, -70.0))
        made.append(image)
    return made[0], made[1], made[2]


def lesion_page(name: str = "lesion") -> Report:
    """Everything a page can hold, with texts as somebody's files may bring them."""
    ct, chi, lesions = volumes()
    iron = sitk.Clamp(chi * 10, sitk.sitkFloat32, 0, 10)
    shown = viewer(
        [ct_layer(ct), qsm_layer(chi), overlay_layer(iron, "Iron", "mmol/L", "#FF7A1A")],
        f"Lesions of {name}",
        "What to see.",
        labels=lesions,
        outlines=[
            Outline(1, f"{name} 1", "#3FA9F5", "calcification"),
            Outline(2, f"{name} 2", "#FF7A1A", "haemorrhage", dashed=True),
        ],
        centre_mm=(39.0, 10.0, 18.0),
    )
    frame = pd.DataFrame(
        {
            "name": [f"{name} {k}" for k in (3, 10, 1, 2, 5, 4, 7, 6, 9, 8)],
            "value": NUMBERS,
            "written": [f"{k}.0 ± 0.1" if k % 2 else f"(−{k}.5 ± 0.1) × 10⁻⁴" for k in range(10)],
            "slope": [f"{k:.1f} ± 0.5" for k in np.linspace(0, 1, 10)],
        }
    )
    table = TableBlock(
        frame,
        f"Values of {name}",
        labels={"name": "Lesion", "value": "Mean", "written": "Written", "slope": "Slope ± SE"},
        units={"value": "ppm"},
        formats={"value": ".2f"},
        numbers=("written", "slope"),
        flags=["", "warn", "", "fail", "muted", "", "", "", "", ""],
        exact={"slope": np.linspace(0, 1, 10).tolist(), "slope_se": [0.4871234567] * 10},
        note=name,
    )
    small = TableBlock(frame.head(3), "Few", labels={"name": "Lesion", "value": "Mean"})
    cards = Cards(
        [
            Card(f"{name} 1", "Calcification", "calcium", Figure(PNG, name), [("CT", "300 HU")], name),
            Card(f"{name} 2", "Haemorrhage", "iron", None, [("QSM", "0.40 ppm")]),
            Card(f"{name} 3", "Mixed", "mixed", None, [(name, name)]),
            Card(f"{name} 4", "Undetermined", "undetermined", None, []),
        ],
        f"Lesions of {name}",
    )
    return Report(
        title=f"Report on {name}",
        subtitle=name,
        verdict="review",
        verdict_text=name,
        key_numbers=[KeyNumber(name, "0.33 ± 0.01 ppm", name), KeyNumber("Two", "2"), KeyNumber("Three", "3")],
        warnings=[name],
        sections=[
            Section("Volumes", name, [shown], [name]),
            Section("Lesions", name, [cards, table, small, Figure(SVG, name, name, 300), Text(name), Callout(name)]),
        ],
        methods=f"First paragraph on {name}.\n\nSecond paragraph.",
        references=[f"{name} 10.1002/mrm.27410"],
        provenance=provenance(),
        kind="Lesion report",
    )


def reports() -> dict[str, str]:
    """HTML of every kind of report there are records for."""
    rng = np.random.default_rng(7)
    groups = [
        (series(rng, "gadolinium", "ct", 5.69, noise=1.0), 5.69),
        (series(rng, "gadolinium", "qsm", 0.31), 0.3377),
        (series(rng, "calcium", "qsm", -2.5e-4, levels=range(0, 1600, 300), failed=(1, 2)), -2.68e-4),
    ]
    overlay = vial_picture(
        rng.normal(0, 0.1, (120, 120)),
        (-60.0, 60.0, 60.0, -60.0),
        pd.DataFrame({"x_mm": [-20.0, 20.0], "y_mm": [0.0, 5.0], "radius_mm": 8.0, "label": ["Gd1", "Ca2"]}),
        "QSM: 2 vials",
        unit="ppm",
    )
    phantom = calibration(groups, status="warn", warnings=["Ca2 failed."])
    table = region_table(rng, {"putamen": 0.6, "caudate": -0.3, "globus pallidus": 0.1})
    found = correlation(table)
    return {
        "calibration": render(calibration_report(phantom, [overlay])),
        "alignment": render(alignment_report(alignment("review", warnings=["Little overlap."]))),
        "correlation": render(correlation_report(found, table)),
        "study": render(study_report(study([phantom], found), [[overlay]], table=table)),
        "lesions": render(lesion_page()),
        "hostile": render(lesion_page(HOSTILE)),
    }
