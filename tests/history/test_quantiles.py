import pytest
from scipy import stats

from phantomcal.history.quantiles import chi_quantile, t_quantile


@pytest.mark.parametrize("df", [1, 2, 2.6, 5.5, 12.3, 60, 300])
def test_quantiles_are_scipy_s(df):
    assert t_quantile(df) == pytest.approx(stats.t.ppf(0.975, df), rel=1e-8)
    for p in (0.025, 0.975):
        assert chi_quantile(df, p) == pytest.approx(stats.chi.ppf(p, df), rel=1e-8)
