"""`simulate visits`: a cohort of followed lesions with known truth."""

from pathlib import Path

from phantomcal.outputs import output_folder, to_json, write_record


def simulate_visits_step(
    out: Path, seed: int, patients: int, patient_years: float, lesions: int, rate_percent: float, drift_percent: float
) -> None:
    """`phantomcal simulate visits`: visits.csv and truth.json; with a drift, calibrations/DATE/calibration.json."""
    from phantomcal.simulate.followup import FollowupOptions, simulate_calibrations, simulate_visits

    options = FollowupOptions(
        patients=patients,
        patient_years=patient_years,
        lesions_per_patient=lesions,
        rate_percent=rate_percent,
        drift_percent=drift_percent,
    )
    made = simulate_visits(seed, options)
    with output_folder(out) as folder:
        made.frame.to_csv(folder / "visits.csv", index=False, float_format="%.8g", lineterminator="\n")
        (folder / "truth.json").write_text(to_json(made.truth), encoding="utf-8")
        if drift_percent:
            for when, calibration in simulate_calibrations(seed, options):
                place = folder / "calibrations" / when.isoformat()
                place.mkdir(parents=True)
                write_record(calibration, place / "calibration.json")
