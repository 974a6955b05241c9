"""Visit tables to test with."""

from typing import Any

import pandas as pd


def table(rows: list[tuple[Any, ...]], names: str = "subject_id lesion_id years qsm_ppm") -> pd.DataFrame:
    """A frame from rows and the names of its columns."""
    return pd.DataFrame(rows, columns=names.split())
