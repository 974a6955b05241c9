"""From finished sessions on disk to the study's tables and records, a bounded number of sessions at a time."""

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from phantomcal.pipeline.person import REGIONS
from phantomcal.pipeline.tasks import Task, load_pictures, load_result, session_folder
from phantomcal.results import Alignment, Calibration, Decomposition, InputFile, StepOutcome

if TYPE_CHECKING:
    from phantomcal.report.page import Figure

MOST_PICTURES = 6
MOST_PHANTOMS_PICTURED = 3
_AT_ONCE = 200
_MOST_NAMED = 3


@dataclass
class Gathered:
    """What the sessions of a study gave, without their tables and pictures."""

    steps: list[StepOutcome] = field(default_factory=list)
    calibrations: list[Calibration] = field(default_factory=list)
    alignments: dict[str, Alignment] = field(default_factory=dict)
    decompositions: dict[str, Decomposition] = field(default_factory=dict)
    inputs: list[InputFile] = field(default_factory=list)
    said: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    aligned: int = 0

    def warnings(self) -> list[str]:
        """Each remark once, with the sessions it was made of."""
        told = []
        for text, labels in self.said.items():
            if len(labels) <= _MOST_NAMED:
                told += [f"{label}: {text}" for label in labels]
            else:
                told.append(f"in {len(labels)} sessions ({', '.join(labels[:_MOST_NAMED])}, ...): {text}")
        return told


def gather(tasks: Sequence[Task]) -> Gathered:
    """Records of all sessions, in the order of the study."""
    found = Gathered()
    for task in tasks:
        base = task.work / task.label
        result = load_result(base, task.label)
        found.steps += result.outcomes
        found.inputs += result.inputs
        for text in result.warnings:
            # What differs only in a count is one remark about many sessions, when there are many.
            found.said[text.removeprefix(f"{task.label}: ")].append(task.label)
        if result.alignment is not None:
            found.alignments[task.label] = result.alignment
        found.aligned += result.alignment is not None or task.session.transform is not None
        amounts = base / "decomposition" / task.label / "decomposition.json"
        if amounts.is_file():
            found.decompositions[task.label] = Decomposition.model_validate_json(amounts.read_text(encoding="utf-8"))
        record = base / "calibration" / task.label / "calibration.json"
        if record.is_file():
            calibration = Calibration.model_validate_json(record.read_text(encoding="utf-8"))
            found.calibrations.append(calibration)
            found.inputs += calibration.provenance.inputs
    found.said = _alike(found.said) if len(tasks) > 5 * _MOST_NAMED else found.said
    return found


def _alike(said: dict[str, list[str]]) -> dict[str, list[str]]:
    """Remarks that differ only in their numbers are one, with the first one's numbers."""
    first: dict[str, str] = {}
    merged: dict[str, list[str]] = defaultdict(list)
    for text, labels in said.items():
        kind = re.sub(r"\d+(\.\d+)?", "#", text)
        merged[first.setdefault(kind, text)] += labels
    return {text: list(dict.fromkeys(labels)) for text, labels in merged.items()}


def publish(tasks: Sequence[Task], target: Path) -> None:
    """Put every session's files into the outputs; they are linked, not copied, where the file system can."""
    for task in tasks:
        base = task.work / task.label
        for path in sorted(p for p in base.rglob("*") if p.is_file()):
            place = target / path.relative_to(base)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, place)
            except OSError:
                shutil.copyfile(path, place)


def write_region_table(tasks: Sequence[Task], target: Path) -> bool:
    """``regions/regions.csv`` and ``regions.parquet`` of all sessions with their covariates; whether there are any."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    covariates = pd.DataFrame([task.session.covariates for task in tasks])
    folder = target / "regions"
    writer: Any = None
    columns: list[str] = []
    try:
        for rows in _batches(tasks, covariates):
            if writer is None:
                folder.mkdir()
                columns = list(rows.columns)
                schema = pa.Schema.from_pandas(rows, preserve_index=False)
                writer = pq.ParquetWriter(folder / "regions.parquet", schema)
            rows = rows.reindex(columns=columns)
            writer.write_table(pa.Table.from_pandas(rows, schema=writer.schema, preserve_index=False))
            with (folder / "regions.csv").open("a", encoding="utf-8", newline="") as stream:
                # Numbers as they are, so that reading the file gives them back to the last bit.
                rows.to_csv(stream, index=False, header=stream.tell() == 0, lineterminator="\n")
    finally:
        if writer is not None:
            writer.close()
    return writer is not None


def _batches(tasks: Sequence[Task], covariates: pd.DataFrame) -> Iterator[pd.DataFrame]:
    parts = _parts(tasks, covariates)
    while batch := list(islice(parts, _AT_ONCE)):
        yield pd.concat(batch, ignore_index=True)


def _parts(tasks: Sequence[Task], covariates: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for k, task in enumerate(tasks):
        path = session_folder(task.work / task.label, task.label) / REGIONS
        if path.is_file():
            table = pd.read_parquet(path)
            # A covariate named like a column of the table must not replace what was measured.
            further = covariates[[c for c in covariates.columns if c not in table.columns]]
            yield pd.concat([table, further.iloc[[k] * len(table)].set_index(table.index)], axis=1)


def by_need_of_a_look(alignments: dict[str, Alignment]) -> list[str]:
    """Sessions in the order to look at them: the doubtful first, then the least certain."""
    ranks = {"fail": 0, "review": 1, "pass": 2}
    return sorted(alignments, key=lambda k: (ranks[alignments[k].verdict], -alignments[k].predicted_error_mm, k))


def pictures_for_report(people: Sequence[Task], alignments: dict[str, Alignment]) -> "dict[str, Figure]":
    """Alignment pictures of the sessions most worth looking at: the doubtful first, then the least certain."""
    tasks = {task.label: task for task in people}
    chosen: dict[str, Figure] = {}
    for label in by_need_of_a_look(alignments):
        base = tasks[label].work / label
        figures = load_pictures(base, load_result(base, label), label)
        if figures:
            chosen[label] = figures[0]
        if len(chosen) == MOST_PICTURES:
            break
    return chosen


def phantom_pictures(phantoms: Sequence[Task]) -> "list[list[Figure]]":
    """Pictures of the first phantom sessions that were calibrated, in the order of their records."""
    overlays: list[list[Figure]] = []
    for task in phantoms:
        base = task.work / task.label
        if (base / "calibration").is_dir():
            shown = len(overlays) < MOST_PHANTOMS_PICTURED
            overlays.append(load_pictures(base, load_result(base, task.label), task.label) if shown else [])
    return overlays
