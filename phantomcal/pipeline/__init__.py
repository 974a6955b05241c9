"""Every step over a study: phantoms, people, statistics, one report; on one machine or a Dask cluster."""

from phantomcal.pipeline.run import run_study

__all__ = ["run_study"]
