"""Simulated scans that several test files look at."""

import pytest

from phantomcal.simulate.brain import Lesion
from phantomcal.simulate.head import HeadScan, simulate_head
from tests.simulate.drawn import COARSE


@pytest.fixture(scope="package")
def coarse() -> HeadScan:
    """A head in large voxels and 5 mm CT slices, a calcification in a given place and a haemorrhage anywhere."""
    lesions = [Lesion("calcification", 150.0, -0.2, 8.0, (30.0, 60.0, 30.0)), Lesion("haemorrhage", 70.0, 0.35, 9.0)]
    return simulate_head(12, lesions=lesions, options=COARSE)
