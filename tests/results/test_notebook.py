"""Records in notebooks: frames to compute with, HTML to look at."""

import pandas as pd
import pytest

from phantomcal.correlation.correlate import correlate
from phantomcal.errors import InputError
from phantomcal.results import Correlation, InputFile


@pytest.fixture(scope="module")
def correlation() -> Correlation:
    hu = [30.0, 34.0, 41.0, 45.0, 52.0, 55.0, 61.0, 64.0]
    table = pd.DataFrame(
        {
            "subject_id": [f"sub-{k}" for k in range(8)],
            "roi": ["<b>pallidum</b>"] * 8,
            "ct_hu": hu,
            "qsm_ppm": [0.05 + 0.003 * v + 0.004 * (-1) ** k for k, v in enumerate(hu)],
        }
    )
    return correlate(table)


def test_the_first_table_is_a_frame_with_the_records_numbers(correlation: Correlation) -> None:
    frame = correlation.frame()
    assert len(frame) == len(correlation.regions) == 1
    assert frame["pearson_r"].iloc[0] == correlation.regions[0].pearson_r


def test_a_record_without_tables_is_one_row() -> None:
    frame = InputFile(role="ct", name="ct.nii.gz", sha256="0").frame()
    assert frame.to_dict("records") == [{"role": "ct", "name": "ct.nii.gz", "sha256": "0"}]


def test_an_unknown_table_is_refused_with_those_there_are(correlation: Correlation) -> None:
    with pytest.raises(InputError, match=r"no table 'lines'.*choose regions"):
        correlation.frame("lines")


def test_html_shows_numbers_and_escapes_what_users_wrote(correlation: Correlation) -> None:
    html = correlation._repr_html_()
    assert "<b>pallidum</b>" not in html
    assert "&lt;b&gt;pallidum&lt;/b&gt;" in html
    assert f"{correlation.regions[0].pearson_r:.4g}" in html
