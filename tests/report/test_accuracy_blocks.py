"""Accuracy on the page: numbers of the records, alternative text, words where there is no number."""

import numpy as np

from phantomcal.accuracy.cutoff import best_cutoff
from phantomcal.accuracy.kappa import kappa
from phantomcal.accuracy.paired import mcnemar
from phantomcal.accuracy.probability import reliability
from phantomcal.accuracy.roc import compare_areas, roc
from phantomcal.accuracy.table import diagnostic_table
from phantomcal.report.accuracy_blocks import (
    diagnostic_blocks,
    kappa_table,
    paired_table,
    reliability_blocks,
    roc_blocks,
)
from phantomcal.report.methods_accuracy import DELONG_1988, FLEISS_1971, OBUCHOWSKI_1997, accuracy_methods
from phantomcal.report.page import Block, Figure, Report, Section, TableBlock, render


def blocks_of(rng: np.random.Generator) -> tuple[list[Block], str]:
    subjects = np.repeat(np.arange(40), 3)
    truth = rng.random(120) < 0.5
    qsm, ct = rng.standard_normal(120) + 2.4 * truth, rng.standard_normal(120) + truth
    probability = 1 / (1 + np.exp(-(qsm - 1.2) * 2))
    scores = {"QSM": qsm, "CT": ct}
    results = [roc(truth, score, subjects, name=name) for name, score in scores.items()]
    cutoffs = [best_cutoff(truth, score, subjects, name=name, n_bootstrap=200) for name, score in scores.items()]
    table = diagnostic_table(truth, qsm > 1.2, subjects)
    paired = mcnemar(truth, qsm > 1.2, ct > 0.5, ("QSM", "CT"), subjects)
    agreement = kappa(qsm > 1.2, ct > 0.5)
    calibration = reliability(truth, probability, subjects=subjects, n_bootstrap=100)
    blocks = roc_blocks(results, compare_areas(truth, scores, subjects), cutoffs, "ppm")
    blocks += diagnostic_blocks(table, "haemorrhage", "calcification")
    blocks += [paired_table(paired), kappa_table([("QSM, CT", agreement)]), *reliability_blocks(calibration, "QSM")]
    text, cited = accuracy_methods(results, cutoffs, [table], [paired], [agreement], [calibration])
    assert OBUCHOWSKI_1997 in cited
    assert DELONG_1988 not in cited
    assert FLEISS_1971 not in cited
    return blocks, text


def test_page_of_everything(rng: np.random.Generator) -> None:
    blocks, methods = blocks_of(rng)
    html = render(Report("Accuracy", "", "info", "", [], [Section("All", "", blocks)], methods=methods))
    for words in ("Area under the curve", "Called haemorrhage", "Only QSM right", "Kappa", "Expected calibration"):
        assert words in html
    assert "of 40 subjects" in html
    assert ">nan" not in html.lower()
    assert all(block.alt for block in blocks if isinstance(block, Figure))
    assert blocks_of(np.random.default_rng(20200))[1] == methods


def test_what_has_no_number_says_why() -> None:
    perfect = roc([0, 0, 1, 1], [1, 2, 3, 4], name="QSM")
    table = roc_blocks([perfect])[1]
    assert isinstance(table, TableBlock)
    assert "every positive case (2)" in table.frame["note"][0]
    only = diagnostic_blocks(diagnostic_table([1, 1], [1, 0]))[-1]
    assert isinstance(only, TableBlock)
    assert "no negative case" in list(only.frame["note"])
