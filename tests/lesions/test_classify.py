"""Verdicts of tables: known lesions, simulated ones, fitted models, and bad input."""

import numpy as np
import pandas as pd
import pytest

from phantomcal.accuracy.probability import reliability
from phantomcal.errors import InputError
from phantomcal.lesions.classify import classification_frame, classify_lesions
from phantomcal.lesions.judge import judge_lesions
from phantomcal.simulate.lesions import lesion_table, simulate_lesions, simulated_calibration
from phantomcal.simulate.lesions_physics import Scanner

NAN = float("nan")


def table(*rows: tuple[float, float], **columns: object) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["ct_hu", "qsm_ppm"])
    frame.insert(0, "lesion_id", [f"l{k}" for k in range(len(rows))])
    frame = frame.assign(subject_id="s1", ct_sd_hu=8.0, qsm_sd_ppm=0.05, n_voxels=60, volume_mm3=60.0)
    return frame.assign(**columns)


def drawn_labels(n: int = 60, seed: int = 0, apart: float = 1.0) -> pd.DataFrame:
    """Half haemorrhages and half calcifications, two lesions a subject, readings Gaussian."""
    rng = np.random.default_rng(seed)
    blood = np.arange(n) % 2 == 0
    return pd.DataFrame(
        {
            "subject_id": [f"s{k // 2}" for k in rng.permutation(n)],
            "lesion_id": [f"l{k}" for k in range(n)],
            "ct_hu": np.where(blood, 60.0, 60.0 + 40.0 * apart) + 25.0 * rng.standard_normal(n),
            "qsm_ppm": np.where(blood, 0.1, 0.1 - 0.2 * apart) + 0.1 * rng.standard_normal(n),
            "truth": np.where(blood, "haemorrhage", "calcification"),
        }
    )


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    return lesion_table(
        simulate_lesions(
            101,
            30,
            kind={"haemorrhage": 0.5, "calcification": 0.5},
            diameter_mm=(4.0, 8.0),
            misregistration_mm=(0.0, 1.0),
        )
    )


def test_plain_lesions_get_the_class_they_are() -> None:
    record = classify_lesions(
        table((65.0, 0.4), (180.0, -0.3), (200.0, 0.4), (33.0, 0.0), (60.0, -0.10), (33.0, -0.4), (NAN, NAN))
    )
    verdicts = [v.verdict for v in record.lesions]
    assert verdicts == [
        "haemorrhage", "calcification", "mixed", "undetermined", "calcification", "undetermined", "undetermined",
    ]  # fmt: skip
    assert record.lesions[3].likeliest == "undetermined"
    assert record.lesions[3].probability_nothing > 0.5
    assert "contradict every class" in record.lesions[5].note
    assert record.lesions[6].method == "none"
    assert record.lesions[6].probability_haemorrhage is None
    assert any("1 of 7 rows have neither" in w for w in record.warnings)


def test_one_modality_alone_is_said_and_gives_less() -> None:
    both, qsm, ct = (classify_lesions(table(row)).lesions[0] for row in ((65.0, 0.1), (NAN, 0.1), (65.0, NAN)))
    assert (both.evidence, qsm.evidence, ct.evidence) == ("both", "qsm", "ct")
    assert "from QSM alone" in qsm.note
    assert "from CT alone" in ct.note
    assert ct.verdict == "undetermined"
    assert qsm.verdict == "haemorrhage"
    assert qsm.by_modality["qsm"] == both.by_modality["qsm"]


def test_information_adds_up_and_needs_two_subjects_for_an_error() -> None:
    frame = table(*[(65.0, 0.4), (180.0, -0.3), (70.0, 0.03), (80.0, -0.05)], subject_id=["a", "a", "b", "c"])
    gains = {g.evidence: g for g in classify_lesions(frame).information}
    assert gains["both"].gained_bits > max(gains["qsm"].gained_bits, gains["ct"].gained_bits)
    assert gains["both"].n == 4
    assert gains["both"].n_subjects == 3
    assert gains["both"].standard_error is not None
    assert classify_lesions(frame.assign(subject_id="a")).information[0].standard_error is None


def test_simulated_lesions_are_told_apart_and_the_two_together_beat_each_alone(simulated: pd.DataFrame) -> None:
    record = classify_lesions(simulated)
    judgement, warnings = judge_lesions(record)
    assert judgement is not None
    assert not warnings
    callers = {c.name: c for c in judgement.callers}
    accuracy = {name: c.every_lesion.accuracy.value for name, c in callers.items()}
    assert accuracy["QSM and CT"] >= 0.95
    assert accuracy["QSM and CT"] > accuracy["HU above 100"] + 0.05
    assert accuracy["QSM and CT"] >= accuracy["sign of susceptibility"]
    assert callers["QSM and CT"].reliability.ece < 0.05
    wrong = [v for v in record.lesions if v.verdict not in (v.truth, "undetermined")]
    assert len(wrong) <= 1
    assert {g.evidence: g.gained_bits for g in record.information}["both"] > 1.0


def test_a_scanner_that_underestimates_is_put_right_by_its_calibration() -> None:
    frame = table((110.0, -0.07), ct_background_hu=33.0, qsm_background_ppm=0.0)
    calibration = simulated_calibration(3, scanner=Scanner(qsm_gain=0.5))
    plain, calibrated = classify_lesions(frame), classify_lesions(frame, calibration=calibration)
    # Half of the susceptibility is what this scanner shows of calcium of 77 HU above tissue.
    assert calibrated.lesions[0].probability_calcification > plain.lesions[0].probability_calcification
    assert calibrated.calibration.startswith("Simulated")
    assert "scaled" in str(calibrated.assumptions["source"])


def test_prior_and_threshold_move_the_verdict() -> None:
    row = table((62.0, 0.012))
    p = [classify_lesions(row, prior={"haemorrhage": w}).lesions[0].probability_haemorrhage for w in (0.05, 0.47, 5.0)]
    assert p == sorted(p)
    assert p[0] < p[2]
    sure = classify_lesions(row, prior={"haemorrhage": 50.0}, threshold=0.6).lesions[0]
    assert sure.verdict == "haemorrhage"


def test_columns_of_the_input_stay_and_none_is_overwritten() -> None:
    frame = table((65.0, 0.4), (180.0, -0.3), age=[60, 70], note=["old note", ""])
    out = classification_frame(classify_lesions(frame), frame)
    assert list(out["age"]) == [60, 70]
    assert list(out["input_note"]) == ["old note", ""]
    assert list(out.columns[:2]) == ["subject_id", "lesion_id"]
    start = list(out.columns).index("verdict")
    assert list(out.columns[start : start + 4]) == [
        "verdict", "probability_haemorrhage", "probability_calcification", "note",
    ]  # fmt: skip


def test_errors_come_from_the_table_in_their_order() -> None:
    frame = table((65.0, 0.4), (65.0, 0.4), (65.0, 0.4), qsm_sem_ppm=[0.02, NAN, NAN], n_voxels=[100, 25, NAN])
    ses = [v.qsm_se_ppm for v in classify_lesions(frame).lesions]
    assert ses[0] == pytest.approx(np.hypot(0.02, 0.005))
    assert ses[1] == pytest.approx(np.hypot(0.05 / 5, 0.005))
    assert ses[2] == pytest.approx(np.hypot(0.010, 0.005))


def test_ppb_columns_are_ppb() -> None:
    frame = table((65.0, 0.4)).rename(columns={"qsm_ppm": "qsm_ppb"})
    frame["qsm_ppb"] *= 1000
    assert classify_lesions(frame.drop(columns="qsm_sd_ppm")).lesions[0].qsm_ppm == pytest.approx(0.4)


def test_a_fitted_model_is_scikit_learns_and_predicts_subjects_it_did_not_see() -> None:
    from sklearn.linear_model import LogisticRegression

    frame = drawn_labels()
    record = classify_lesions(frame, fit=True)
    models = {m.evidence: m for m in record.logistic}
    assert set(models) == {"qsm", "ct", "both"}
    x = frame[["qsm_ppm", "ct_hu"]].to_numpy()
    z = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    theirs = LogisticRegression(C=models["both"].penalty, tol=1e-10).fit(z, frame["truth"] == "haemorrhage")
    assert [f.coefficient for f in models["both"].features] == pytest.approx(list(theirs.coef_[0]), rel=1e-3)
    assert models["both"].intercept == pytest.approx(float(theirs.intercept_[0]), abs=1e-3)
    in_sample = theirs.predict_proba(z)[:, 1]
    ours = np.array([v.probability_haemorrhage for v in record.lesions])
    truth = (frame["truth"] == "haemorrhage").to_numpy()
    assert {v.method for v in record.lesions} == {"logistic model, out of fold"}
    # Out of fold is less sure of the truth than the fit to itself.
    assert np.log(np.where(truth, ours, 1 - ours)).mean() < np.log(np.where(truth, in_sample, 1 - in_sample)).mean()


def test_without_a_penalty_the_errors_are_those_of_maximum_likelihood() -> None:
    import statsmodels.api as sm

    from phantomcal.lesions.logistic import design, fit_logistic

    frame = drawn_labels(apart=0.5)
    features = design("both", frame["ct_hu"].to_numpy(), frame["qsm_ppm"].to_numpy())
    truth = (frame["truth"] == "haemorrhage").to_numpy()
    model = fit_logistic("both", features, truth, frame["subject_id"].to_numpy(object), penalty=1e8)
    z = (features - features.mean(axis=0)) / features.std(axis=0, ddof=1)
    theirs = sm.Logit(truth.astype(float), sm.add_constant(z)).fit(disp=0)
    assert [model.intercept, *(f.coefficient for f in model.features)] == pytest.approx(list(theirs.params), rel=1e-4)
    assert [model.intercept_se, *(f.standard_error for f in model.features)] == pytest.approx(
        list(theirs.bse), rel=1e-4
    )


def test_a_model_is_reused_on_other_lesions() -> None:
    fitted = classify_lesions(drawn_labels(), fit=True).logistic
    new = table((55.0, 0.25), (NAN, 0.25), (130.0, -0.2))
    record = classify_lesions(new, model=fitted)
    assert [v.method for v in record.lesions] == ["logistic model"] * 3
    assert record.lesions[0].verdict == "haemorrhage"
    assert record.lesions[2].verdict == "calcification"
    assert record.lesions[0].probability_haemorrhage != record.lesions[1].probability_haemorrhage
    assert record.lesions[0].probability_mixed is None


def test_too_few_labels_leave_the_likelihood_and_say_so() -> None:
    few = drawn_labels(8)
    record = classify_lesions(few, fit=True)
    assert not record.logistic
    assert {v.method for v in record.lesions} == {"likelihood"}
    assert any("4 labelled haemorrhages and 4 calcifications" in w for w in record.warnings)
    one = classify_lesions(drawn_labels().assign(truth="blood"), fit=True)
    assert any("0 calcifications" in w for w in one.warnings)
    assert not one.logistic


def test_labels_are_understood_in_many_spellings_and_others_refused() -> None:
    frame = table((65.0, 0.4), (180.0, -0.3), (65.0, 0.4), truth=["Hemorrhage", "calcified", ""])
    assert [v.truth for v in classify_lesions(frame).lesions] == ["haemorrhage", "calcification", ""]
    with pytest.raises(InputError, match="'tumour' in row 3"):
        classify_lesions(frame.assign(truth=["blood", "tumour", ""]))


def test_judging_says_why_it_cannot(simulated: pd.DataFrame) -> None:
    record = classify_lesions(table((65.0, 0.4), (60.0, 0.3), truth=["blood", "blood"]))
    judgement, warnings = judge_lesions(record)
    assert judgement is None
    assert "2 haemorrhages and 0 calcifications" in warnings[0]
    assert judge_lesions(classify_lesions(table((65.0, 0.4)))) == (None, [])


def test_judgement_counts_what_it_says(simulated: pd.DataFrame) -> None:
    rng = np.random.default_rng(4)
    reader = np.where(rng.random(len(simulated)) < 0.2, "calcification", simulated["truth"])
    frame = simulated.assign(reader=reader)
    record = classify_lesions(frame, reader_column="reader")
    judgement, _ = judge_lesions(record)
    assert judgement is not None
    assert sum(sum(row.values()) for row in judgement.confusion.values()) == len(frame)
    both = judgement.callers[0]
    p = np.array([v.probability_haemorrhage for v in record.lesions])
    q = np.array([v.probability_calcification for v in record.lesions])
    truth = (frame["truth"] == "haemorrhage").to_numpy()
    assert both.every_lesion.accuracy.value == pytest.approx(((p > q) == truth).mean())
    assert both.reliability.ece == pytest.approx(reliability(truth, p / (p + q), subjects=frame["subject_id"]).ece)
    sign = next(c for c in judgement.callers if c.name == "sign of susceptibility")
    assert sign.every_lesion.accuracy.value == pytest.approx(((frame["qsm_ppm"] > 0) == truth).mean())
    names = {(a.first, a.second) for a in judgement.agreement}
    assert names == {("reader", "truth"), ("reader", "verdict")}
    hu = next(c for c in judgement.cutoffs if c.name.startswith("CT"))
    low = frame["ct_hu"] <= hu.cutoff
    assert hu.sensitivity.value == pytest.approx(low[truth].mean())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"qsm_ppm": 400.0}, "qsm_ppm"),
        ({"ct_sd_hu": -1.0}, "negative"),
        ({"n_voxels": 0}, "count"),
        ({"ct_hu": "dense"}, "'dense'"),
        ({"volume_mm3": 0.0}, "volume"),
    ],
)
def test_impossible_cells_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        classify_lesions(table((65.0, 0.4)).assign(**change))


def test_impossible_calls_are_refused() -> None:
    frame = table((65.0, 0.4))
    with pytest.raises(InputError, match="threshold"):
        classify_lesions(frame, threshold=0.3)
    with pytest.raises(InputError, match="dead band"):
        classify_lesions(frame, dead_band_ppm=-1.0)
    with pytest.raises(InputError, match="--reader"):
        classify_lesions(frame, reader_column="second")
    with pytest.raises(InputError, match="no row has a value"):
        classify_lesions(table((NAN, NAN)))
    with pytest.raises(InputError, match="--model and --fit"):
        classify_lesions(drawn_labels(), fit=True, model=classify_lesions(drawn_labels(), fit=True).logistic)


def test_two_thousand_lesions_are_named_in_chunks() -> None:
    rng = np.random.default_rng(2)
    rows = list(zip(rng.uniform(0, 400, 2_000), rng.uniform(-0.8, 1.2, 2_000), strict=True))
    record = classify_lesions(table(*rows))
    assert len(record.lesions) == 2_000
    assert [v.verdict for v in record.lesions[:50]] == [v.verdict for v in classify_lesions(table(*rows[:50])).lesions]
