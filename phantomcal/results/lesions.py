"""Lesions told apart: blood, calcium, both, or undetermined; classification.json."""

from typing import Any, Literal

from pydantic import Field

from phantomcal.results.accuracy import (
    AreaComparison,
    Cutoff,
    DiagnosticTable,
    Kappa,
    PairedCalls,
    Reliability,
    RocResult,
)
from phantomcal.results.base import SCHEMA_VERSION, Interval, Provenance, Record

LesionClass = Literal["haemorrhage", "calcification", "mixed", "undetermined"]
Evidence = Literal["qsm", "ct", "both", "none"]


class ClassProbabilities(Record):
    """Probabilities of one lesion from one set of readings; they add up to 1."""

    haemorrhage: float
    calcification: float
    mixed: float = Field(description="Blood and calcium in one lesion")
    nothing: float = Field(description="Not told from surrounding tissue")
    entropy_bits: float = Field(description="What is left open, in bits; 0 is certain, 2 is nothing known")
    misfit_p: float = Field(description="p of the readings under the class that suits them best")


class RuleOutcome(Record):
    """What a radiologist's rules say about a lesion, and which one fired."""

    verdict: LesionClass
    rule: str = Field(description="Key of the rule that fired, one of `rules` of the record")
    reason: str = Field(description="With the lesion's own numbers")


class LesionComposition(Record):
    """What the voxels inside a lesion hold."""

    n_voxels: int
    n_effective: float = Field(description="Independent voxels, as smoothing and reconstruction share noise")
    iron_share: float = Field(description="Share of iron-like voxels, 0 to 1")
    iron_share_se: float
    iron_share_ci95: Interval
    calcium_share: float
    calcium_share_se: float
    calcium_share_ci95: Interval
    neither_share: float
    calcium_share_rim: float | None = Field(None, description="In the outer half of the voxels")
    calcium_share_core: float | None = Field(None, description="In the inner half")
    rim_p: float | None = Field(None, description="Fisher's exact test of rim against core, on independent voxels")
    smoothing_fwhm_mm: float
    voxel_noise_ppm: float = Field(description="SD of a voxel's noise after smoothing")
    voxel_noise_hu: float | None = None
    pattern: str = Field("", description="In words, only where the data support it")
    note: str = ""


class LesionVerdict(Record):
    """One lesion; a row of lesions.csv."""

    subject_id: str = ""
    session: str = ""
    lesion_id: str
    ct_hu: float | None = None
    ct_se_hu: float | None = Field(None, description="Standard error of the reading that was used")
    qsm_ppm: float | None = None
    qsm_se_ppm: float | None = None
    n_voxels: int | None = None
    volume_mm3: float | None = None
    evidence: Evidence = Field(description="Readings behind the verdict")
    verdict: LesionClass
    likeliest: LesionClass = Field(description="Class of the highest probability, whether or not it is enough")
    probability_haemorrhage: float | None = None
    probability_calcification: float | None = None
    probability_mixed: float | None = None
    probability_nothing: float | None = None
    method: Literal["likelihood", "logistic model", "logistic model, out of fold", "none"] = "likelihood"
    by_modality: dict[Literal["qsm", "ct", "both"], ClassProbabilities] = Field(
        default_factory=dict, description="Likelihood from QSM alone, CT alone and both, where they were measured"
    )
    rule: RuleOutcome
    truth: str = ""
    reader: str = Field("", description="What a reader said, where the table has such a column")
    composition: LesionComposition | None = None
    note: str = ""


class InformationGain(Record):
    """What a set of readings tells about the class, over the lesions that have both."""

    evidence: Literal["qsm", "ct", "both"]
    n: int
    n_subjects: int
    gained_bits: float = Field(description="Entropy of the prior less the mean entropy left")
    standard_error: float | None
    ci95_low: float | None
    ci95_high: float | None
    decided: int = Field(description="Lesions with a class at the threshold")


class LogisticFeature(Record):
    """A measured feature, as it enters the model: (value - centre) / scale."""

    name: Literal["qsm_ppm", "ct_hu"]
    centre: float
    scale: float
    coefficient: float = Field(description="Log odds of haemorrhage per scale")
    standard_error: float


class LogisticModel(Record):
    """Haemorrhage against calcification, fitted to labels."""

    evidence: Literal["qsm", "ct", "both"]
    features: list[LogisticFeature]
    intercept: float
    intercept_se: float
    penalty: float = Field(description="C of scikit-learn: inverse strength of the ridge penalty on scaled features")
    n_haemorrhage: int
    n_calcification: int
    n_subjects: int
    separated: bool = Field(description="The labels are told apart without error, so the penalty sets the slope")
    note: str = ""


class CallerAccuracy(Record):
    """One way of calling lesions against the truth; haemorrhage is the positive class, calcification the other."""

    name: str
    n: int
    n_undetermined: int = Field(description="Without a class at the threshold")
    every_lesion: DiagnosticTable = Field(description="Each lesion called by the likelier of the two classes")
    decided: DiagnosticTable | None = Field(None, description="Only lesions with a class; null when there are too few")
    roc: RocResult | None = None
    reliability: Reliability | None = None


class ReaderAgreement(Record):
    """Two who named the lesions."""

    first: str
    second: str
    kappa: Kappa


class LesionJudgement(Record):
    """The classes against `truth`."""

    n: int = Field(description="Lesions whose truth is haemorrhage or calcification")
    n_subjects: int
    handling: str = Field(description="What was done with undetermined lesions and other classes")
    confusion: dict[str, dict[str, int]] = Field(description="Count by truth, then verdict; all labelled lesions")
    callers: list[CallerAccuracy]
    cutoffs: list[Cutoff] = Field(default_factory=list, description="Of the plain readings")
    areas: list[AreaComparison] = Field(default_factory=list, description="DeLong, on lesions with both readings")
    paired: list[PairedCalls] = Field(default_factory=list, description="McNemar, on lesions with both readings")
    agreement: list[ReaderAgreement] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


class LesionRule(Record):
    """A rule in words, with where its limit comes from."""

    key: str
    text: str


class Classification(Record):
    """Everything `classify` knows; classification.json."""

    schema_version: str = SCHEMA_VERSION
    lesions: list[LesionVerdict]
    prior: dict[str, float] = Field(description="Probability of each class before anything was measured")
    threshold: float = Field(description="Probability from which a class is named")
    rules: list[LesionRule]
    model: str = Field(description="How probabilities were made, in words")
    assumptions: dict[str, Any] = Field(default_factory=dict, description="Numbers behind the likelihood")
    calibration: str = Field("", description="Title of the calibration used; empty for physics alone")
    information: list[InformationGain] = Field(default_factory=list)
    logistic: list[LogisticModel] = Field(default_factory=list)
    extraction: dict[str, Any] = Field(default_factory=dict, description="How lesions were found, where they were")
    judgement: LesionJudgement | None = Field(None, description="Against `truth`, where the table has it")
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
