"""Patients from randomisation to analysis, arm by arm, as CONSORT wants them counted."""

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from phantomcal.followup.intervals import Intervals
from phantomcal.results.trial_analysis import ArmFlow, ReasonCount
from phantomcal.trials.averages import visits_with_value
from phantomcal.trials.participants import Participants

ANALYSED, LOST, UNUSABLE, NOTHING = "analysed", "without follow-up", "not usable", "no value"
_UNSAID = "reason not given"


def statuses(participants: Participants, found: Intervals, averages: pd.DataFrame) -> "pd.Series[str]":
    """What became of every patient randomised."""
    follow_up = visits_with_value(found).reindex(participants.frame.index)
    status = pd.Series(NOTHING, index=participants.frame.index)
    status[follow_up.notna()] = LOST
    status[follow_up > 0] = UNUSABLE
    status[averages.index] = ANALYSED
    return status


def reasons(participants: Participants, found: Intervals, status: "pd.Series[str]") -> "pd.Series[str]":
    """Why each patient is not analysed: as said in the table, else from the intervals' remarks; empty for others."""
    said = participants.frame["reason"].copy()
    remarks = found.frame[~found.frame["comparable"]].drop_duplicates("subject_id").set_index("subject_id")["note"]
    said = said.where(said != "", remarks.reindex(said.index).fillna("").str.split(":").str[0].str.split(";").str[0])
    unsaid = said == ""
    said[unsaid & (status == LOST)] = "no second value"
    said[unsaid & (status == NOTHING)] = "no value at any visit"
    said[unsaid & (status == UNUSABLE)] = _UNSAID
    return said.where(status != ANALYSED, "")


def arm_flows(
    participants: Participants,
    found: Intervals,
    averages: pd.DataFrame,
    status: "pd.Series[str]",
    planned: int,
) -> list[ArmFlow]:
    """Counts of every arm, as randomised.

    Parameters
    ----------
    participants : Participants
    found : Intervals
    averages : pandas.DataFrame
        Of `PatientAverages`.
    status : Series of str
        From `statuses`.
    planned : int
        Follow-up visits of a complete patient.
    """
    why = reasons(participants, found, status)
    follow_up = visits_with_value(found).reindex(participants.frame.index)
    flows = []
    for arm in participants.arms:
        mine = participants.frame[participants.frame["arm"] == arm]
        state, visits = status[mine.index], follow_up[mine.index]
        analysed = mine.index[state == ANALYSED]
        numbers = averages.loc[analysed]
        off = mine[~mine["per_protocol"]]
        flows.append(
            ArmFlow(
                arm=arm,
                randomised=len(mine),
                other_treatment=int((mine["received_arm"] != arm).sum()),
                with_baseline=int((state != NOTHING).sum()),
                without_follow_up=int((state == LOST).sum()),
                discontinued=int(((visits > 0) & (visits < planned)).sum()),
                not_usable=int((state == UNUSABLE).sum()),
                analysed=len(analysed),
                complete=int((visits[analysed] >= planned).sum()),
                per_protocol=int(mine.loc[analysed, "per_protocol"].sum()),
                lesions=int(numbers["n_lesions"].sum()),
                intervals=int(numbers["n_intervals"].sum()),
                patient_years=float(numbers["years"].sum()),
                seen=[int((visits >= k).sum()) for k in range(planned + 1)],
                reasons=_counted(why[mine.index][state != ANALYSED]),
                discontinued_reasons=_counted(
                    mine.loc[(visits > 0) & (visits < planned) & (mine["reason"] != ""), "reason"]
                ),
                protocol_reasons=_counted(
                    f"received {received}" if received != arm else str(reason or _UNSAID)
                    for received, reason in zip(off["received_arm"], off["reason"], strict=True)
                ),
            )
        )
    return flows


def _counted(words: Iterable[str]) -> list[ReasonCount]:
    counts = Counter(words)
    return [ReasonCount(reason=r, n=n) for r, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
