"""From a decomposition to its report: maps over anatomy, the plane of materials, lesions with masses and budgets."""

from collections.abc import Callable

from phantomcal.report.blocks import embedded
from phantomcal.report.columns import table_of
from phantomcal.report.content import (
    Block,
    Callout,
    Card,
    Cards,
    KeyNumber,
    Report,
    RowFlag,
    Section,
    TableBlock,
    Viewer,
)
from phantomcal.report.decomposition_figures import MOST_LESIONS, Scene, maps_over_anatomy, plane_of_materials
from phantomcal.report.decomposition_lesion_figures import lesion_picture, mass_rows
from phantomcal.report.decomposition_volumes import finding
from phantomcal.report.lesion_tones import TONES, probability_facts
from phantomcal.report.methods_decomposition import decomposition_methods, decomposition_references
from phantomcal.report.numerals import NONE, count, interval, listed, number, percent, with_uncertainty
from phantomcal.results import DecomposedLesion, Decomposition, LesionMass


def decomposition_report(
    record: Decomposition, scene: Scene | None = None, volumes: Callable[[], Viewer] | None = None
) -> Report:
    """The report of `decompose`.

    Parameters
    ----------
    record : Decomposition
    scene : Scene, optional
        Volumes to draw; None for a table.
    volumes : callable, optional
        Gives the viewer of the volumes (`scene_viewer`); asked last, so that it can be made meanwhile.

    Returns
    -------
    Report
    """
    sections = _sections(record, scene)
    if volumes is not None:
        told = "Lesions are outlined in the colour of what was found in them; dashed: nothing was told from nothing."
        sections.insert(1, Section("The volumes", told, [volumes()]))
    names = listed([m.name for m in record.materials])
    what = (
        count(len(record.lesions), "lesion")
        if record.lesions
        else count(len({r.id for r in record.regions}), "row")
        if record.regions
        else f"{record.n_voxels or 0} voxels"
    )
    return Report(
        kind="Decomposition report",
        title=f"{names[0].upper()}{names[1:]} from CT and QSM",
        subtitle=f"{what} · calibration: {record.calibration}",
        verdict="review" if record.warnings else "info",
        verdict_text=_verdict_text(record),
        key_numbers=_key_numbers(record),
        warnings=record.warnings,
        sections=sections,
        methods=decomposition_methods(record),
        references=decomposition_references(record),
        provenance=record.provenance,
    )


def _verdict_text(record: Decomposition) -> str:
    if record.lesions and len(record.materials) == 2:
        parts = []
        for material in record.materials:
            n = sum(m.detected for lesion in record.lesions for m in lesion.masses if m.material == material.name)
            parts.append(f"{material.name} in {n}")
        return f"Of {count(len(record.lesions), 'lesion')}, told from nothing: {listed(parts)}."
    if record.regions and len(record.materials) == 2:
        parts = []
        for material in record.materials:
            rows = [r for r in record.regions if r.material == material.name]
            parts.append(f"{material.name} in {sum((r.probability or 0) > 0.5 for r in rows)} of {len(rows)}")
        return f"Told from nothing: {listed(parts)}."
    return f"{record.told_apart[:1].upper()}{record.told_apart[1:]}." if record.told_apart else ""


def _key_numbers(record: Decomposition) -> list[KeyNumber]:
    keys = []
    if record.lesions:
        for k, material in enumerate(record.materials[:2]):
            masses = [lesion.masses[k] for lesion in record.lesions]
            total = sum(m.mass_mg for m in masses)
            random = sum(m.random_se_mg**2 for m in masses)
            # What lesions share adds up; the rest adds in quadrature.
            shared = sum(m.systematic_se_mg for m in masses)
            keys.append(
                KeyNumber(
                    f"{material.name[0].upper()}{material.name[1:]}, all lesions",
                    with_uncertainty(total, (random + shared**2) ** 0.5, "mg"),
                    f"sum over {count(len(masses), 'lesion')}",
                )
            )
    else:
        keys += [
            KeyNumber(
                f"Told from nothing, {m.name}",
                f"{number(m.critical_mmol_per_l, 2)} mmol/L",
                f"one-sided 5 %, {'a single voxel' if not record.regions else 'a typical row'}",
            )
            for m in record.materials[:2]
            if m.critical_mmol_per_l is not None
        ]
    if record.error_correlation is not None:
        keys.append(
            KeyNumber(
                "Correlation of the two errors",
                number(record.error_correlation, 2),
                f"condition number {number(record.condition_number, 2)}",
            )
        )
    return keys[:3]


def _sections(record: Decomposition, scene: Scene | None) -> list[Section]:
    sections = []
    if scene is not None and scene.amounts:
        sections.append(
            Section(
                "Where it is",
                "Amounts in colour over the CT, from the critical value of a single voxel upwards. Single voxels err: "
                "one in twenty without any material passes that value.",
                [
                    embedded(
                        maps_over_anatomy(scene, record),
                        f"Maps of {listed([m.name for m in record.materials])} over CT in three planes.",
                        "CT from −10 to 90 HU; lesions outlined in white. Left of the picture is the patient's right.",
                    )
                ],
            )
        )
    if record.lesions:
        sections.append(_lesions(record, scene))
        if len(record.materials) == 2:
            sections.append(_masses(record))
    sections.append(_plane(record, scene))
    if record.regions:
        sections.append(Section("Amounts", "A row per entry of the table and material.", [_regions(record)]))
    sections.append(_slopes(record))
    return sections


def _lesions(record: Decomposition, scene: Scene | None) -> Section:
    cards = [_card(record, lesion, scene) for lesion in record.lesions[:MOST_LESIONS]]
    blocks: list[Block] = [Cards(cards)]
    if len(record.lesions) > MOST_LESIONS:
        blocks.append(Callout(f"The first {MOST_LESIONS} of {len(record.lesions)} are shown; all are in the table."))
    blocks.append(_lesion_table(record))
    return Section(
        "Lesions",
        "Excess over the tissue around, and what it amounts to. Masses are of the whole lesion: what blur carries out "
        "of the mask is counted.",
        blocks,
    )


def _card(record: Decomposition, lesion: DecomposedLesion, scene: Scene | None) -> Card:
    two = len(record.materials) == 2
    verdict, tone = finding(lesion) if two else ("ranges only", "undetermined")
    hu, ppm = lesion.baseline_hu + lesion.excess_hu, lesion.baseline_ppm + lesion.excess_ppm
    facts = [
        ("CT", with_uncertainty(hu, lesion.excess_hu_se, "HU")),
        ("above tissue", with_uncertainty(lesion.excess_hu, lesion.excess_hu_se, "HU")),
        ("QSM", with_uncertainty(ppm, lesion.excess_ppm_se, "ppm")),
        ("above tissue", with_uncertainty(lesion.excess_ppm, lesion.excess_ppm_se, "ppm")),
    ]
    if lesion.verdict is not None:
        if two:
            facts.append(("Told from nothing", verdict))
        verdict, tone = lesion.verdict, TONES[lesion.verdict]
        facts += probability_facts(
            lesion.probability_haemorrhage, lesion.probability_calcification, lesion.probability_mixed
        )
    facts.append(("Volume", f"{number(lesion.volume_mm3, 3)} mm³ ({count(lesion.n_voxels, 'voxel')})"))
    for mass in lesion.masses:
        name = f"{mass.material[0].upper()}{mass.material[1:]}"
        if mass.low_mg is not None:
            facts.append((name, f"{interval((mass.low_mg, mass.high_mg))} mg (range)"))
            continue
        facts.append((name, f"{with_uncertainty(mass.mass_mg, mass.standard_error_mg, 'mg')}"))
        facts.append(("95 % interval", f"{interval(mass.ci95)} mg"))
        facts.append(("Mean", _mean_words(mass)))
    figure = None
    if scene is not None and scene.labels is not None:
        figure = embedded(
            lesion_picture(scene, lesion), f"{lesion.lesion_id} on CT and on the map, axial, outlined: {verdict}."
        )
    return Card(lesion.lesion_id, verdict, tone, figure, facts, "; ".join(lesion.notes))


def _mean_words(mass: LesionMass) -> str:
    words = with_uncertainty(mass.mean_concentration_mmol_per_l, mass.mean_concentration_se, "mmol/L")
    if mass.material == "iron" and mass.mg_per_100g is not None:
        words += f", {number(mass.mg_per_100g, 3)} mg/100 g"
    if mass.hydroxyapatite_mg_per_cm3 is not None:
        words += f", {number(mass.hydroxyapatite_mg_per_cm3, 3)} mg HA/cm³"
    return words


def _lesion_table(record: Decomposition) -> TableBlock:
    rows, flags = [], []
    for lesion in record.lesions:
        for mass in lesion.masses:
            rows.append(
                {
                    "lesion": lesion.lesion_id,
                    "volume": number(lesion.volume_mm3, 3),
                    "material": mass.material,
                    "mass": with_uncertainty(mass.mass_mg, mass.standard_error_mg),
                    "interval": interval(mass.ci95),
                    "random": number(mass.random_se_mg, 2),
                    "systematic": number(mass.systematic_se_mg, 2),
                    "free": number(mass.unconstrained_mg, 3),
                    "mean": number(mass.mean_concentration_mmol_per_l, 3),
                    "per100": number(mass.mg_per_100g, 3),
                    "ha": number(mass.hydroxyapatite_mg, 3) if mass.hydroxyapatite_mg is not None else NONE,
                }
            )
            flags.append("" if mass.detected else "muted")
    labels = {
        "lesion": "Lesion",
        "volume": "Volume",
        "material": "Material",
        "mass": "Mass ± SE",
        "interval": "95 % interval",
        "random": "Random SE",
        "systematic": "Systematic SE",
        "free": "Unconstrained",
        "mean": "Mean",
        "per100": "Per 100 g",
        "ha": "As HA",
    }
    units = {
        "volume": "mm³",
        "mass": "mg",
        "interval": "mg",
        "random": "mg",
        "systematic": "mg",
        "free": "mg",
        "mean": "mmol/L",
        "per100": "mg",
        "ha": "mg",
    }
    row_flags: list[RowFlag] = ["muted" if f else "" for f in flags]
    return TableBlock(
        table_of({name: [row[name] for row in rows] for name in labels}),
        "Masses",
        labels,
        units,
        numbers=tuple(units),
        flags=row_flags,
        note="Muted: not told from nothing (one-sided 5 %). Systematic: from slopes and a given baseline, common to "
        "all lesions. HA: hydroxyapatite.",
    )


def _masses(record: Decomposition) -> Section:
    blocks: list[Block] = []
    for k, material in enumerate(record.materials):
        told = "; ".join(f"{o.lesion_id} {number(o.masses[k].mass_mg, 3)} mg" for o in record.lesions[:MOST_LESIONS])
        blocks.append(
            embedded(
                mass_rows(record.lesions, material.name, k),
                f"Mass of {material.name} with 95 % intervals and the sources of its variance: {told}.",
                f"{material.name[0].upper()}{material.name[1:]}: mass with 95 % interval (hollow: not told from "
                "nothing), and what the variance is made of.",
            )
        )
    return Section(
        "How well each mass is known",
        "Noise averages out over larger lesions; the calibration's share does not, and is the same for all lesions.",
        blocks,
    )


def _plane(record: Decomposition, scene: Scene | None) -> Section:
    blocks: list[Block] = [
        embedded(
            plane_of_materials(record, scene),
            f"HU and ppm above the baseline with the directions of {listed([m.name for m in record.materials])}.",
            "Every mixture is a sum of the materials' directions; rings mark quarters of the amount named at the end. "
            "A point outside the angle between two directions asks for a negative amount.",
        )
    ]
    if record.told_apart:
        kind = "warn" if abs(record.error_correlation or 0.0) >= 0.9 or len(record.materials) > 2 else "info"
        blocks.append(Callout(f"{record.told_apart[0].upper()}{record.told_apart[1:]}.", kind))  # type: ignore[arg-type]
    return Section(
        "What can be told apart",
        "Two materials are told apart by the angle between their directions, seen in units of the noise.",
        blocks,
    )


def _regions(record: Decomposition) -> TableBlock:
    many = len(record.materials) > 2
    rows = [
        {
            "id": r.id,
            "hu": number(r.ct_hu, 4),
            "ppm": number(r.qsm_ppm, 3),
            "material": r.material,
            "amount": interval((r.low_mmol_per_l, r.high_mmol_per_l))
            if many
            else with_uncertainty(r.concentration_mmol_per_l, r.standard_error),
            "interval": NONE if many else interval((r.ci95_low, r.ci95_high)),
            "free": number(r.unconstrained_mmol_per_l, 3),
            "p": _probability(r.probability),
            "note": r.note,
        }
        for r in record.regions
    ]
    labels = {
        "id": "Row",
        "hu": "CT",
        "ppm": "QSM",
        "material": "Material",
        "amount": "Range" if many else "Amount ± SE",
        "interval": "95 % interval",
        "free": "Unconstrained",
        "p": "Told from nothing",
        "note": "Remark",
    }
    if many:
        for name in ("interval", "free", "p"):
            del labels[name]
    flags: list[RowFlag] = [
        "muted" if r.probability is not None and r.probability < 0.5 else "" for r in record.regions
    ]
    units = {"hu": "HU", "ppm": "ppm", "amount": "mmol/L", "interval": "mmol/L", "free": "mmol/L"}
    return TableBlock(
        table_of({name: [row[name] for row in rows] for name in labels}),
        "Amounts",
        labels,
        {k: v for k, v in units.items() if k in labels},
        numbers=("hu", "ppm", "amount", "interval", "free", "p"),
        flags=flags,
    )


def _probability(p: float | None) -> str:
    """Never rounded to 0 or 1."""
    if p is None:
        return NONE
    return f"< {percent(0.001)}" if p < 0.001 else f"> {percent(0.999)}" if p > 0.999 else percent(p)


def _slopes(record: Decomposition) -> Section:
    frame = table_of(
        {
            "material": [m.name for m in record.materials],
            "line": [m.line + (f", as {m.form}" if m.form else "") for m in record.materials],
            "ct": [with_uncertainty(m.ct_slope_hu, m.ct_slope_se) for m in record.materials],
            "qsm": [with_uncertainty(m.qsm_slope_ppm, m.qsm_slope_se) for m in record.materials],
            "error": [number(m.voxel_standard_error_mmol_per_l, 2) for m in record.materials],
            "critical": [number(m.critical_mmol_per_l, 2) for m in record.materials],
            "above": [percent(m.above_critical_share) for m in record.materials],
            "negative": [percent(m.negative_share) for m in record.materials],
        }
    )
    labels = {
        "material": "Material",
        "line": "From",
        "ct": "CT slope",
        "qsm": "QSM slope",
        "error": "SE of nothing",
        "critical": "Critical value",
        "above": "Voxels above it",
        "negative": "Voxels below zero",
    }
    if not any(m.above_critical_share is not None for m in record.materials):
        del labels["above"], labels["negative"]
    units = {
        "ct": "HU per mmol/L",
        "qsm": "ppm per mmol/L",
        "error": "mmol/L",
        "critical": "mmol/L",
    }
    blocks: list[Block] = [
        TableBlock(frame, "Slopes", labels, units, numbers=tuple(k for k in labels if k not in ("material", "line")))
    ]
    base = record.baseline
    level = (
        f"{with_uncertainty(base.hu, base.hu_se, 'HU')}, {with_uncertainty(base.ppm, base.ppm_se, 'ppm')}"
        if base.hu is not None
        else "differs from place to place"
    )
    blocks.append(Callout(f"{level}: {base.note}.", "info", "Baseline"))
    if record.assumptions:
        blocks.append(Callout("\n\n".join(f"{a[0].upper()}{a[1:]}." for a in record.assumptions), "warn", "Assumed"))
    return Section(
        "What it rests on", "Slopes and baseline are common to all voxels: their errors do not average out.", blocks
    )
