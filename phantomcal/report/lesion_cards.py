"""A card for each lesion: picture, readings, verdict, what speaks against it."""

from collections.abc import Mapping, Sequence

from phantomcal.report.lesion_pictures import LesionPicture, lesion_figure
from phantomcal.report.lesion_tones import TONES, probability_facts
from phantomcal.report.numerals import number, percent, with_uncertainty
from phantomcal.report.page import Card, Cards
from phantomcal.results import LesionVerdict

MOST_CARDS, MOST_WITHOUT_PICTURES = 60, 24


def lesion_cards(
    lesions: Sequence[LesionVerdict],
    pictures: Mapping[str, LesionPicture] | None = None,
    masses: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> Cards:
    """Cards of at most 60 lesions, 24 when there are no pictures; of more, those first that ask for a look.

    Parameters
    ----------
    lesions : sequence of LesionVerdict
    pictures : mapping of str to LesionPicture, optional
        By `lesion_id`.
    masses : mapping of str to sequence of (str, str), optional
        By `lesion_name`: what a decomposition says, as names and values.

    Returns
    -------
    Cards
    """
    most = MOST_CARDS if pictures else MOST_WITHOUT_PICTURES
    shown = list(lesions)
    caption = ""
    if len(shown) > most:
        # A stable sort: within each group the order of the table stays.
        shown = sorted(shown, key=_settled)[:most]
        caption = (
            f"{len(shown)} of {len(lesions)} lesions, those first that ask for a look: undetermined, mixed, or with "
            "something that speaks against the verdict. The others are in the table."
        )
    return Cards(
        [_card(v, (pictures or {}).get(v.lesion_id), (masses or {}).get(lesion_name(v), ())) for v in shown], caption
    )


def _settled(v: LesionVerdict) -> int:
    return 0 if v.verdict in ("undetermined", "mixed") else 1 if v.note and v.evidence == "both" else 2


def lesion_name(v: LesionVerdict) -> str:
    """Subject, session and lesion, as far as they are there."""
    return card_name(v.subject_id, v.session, v.lesion_id)


def card_name(subject: str, session: str, lesion: str) -> str:
    """What the card of a lesion is headed with."""
    return " · ".join(part for part in (subject, session, lesion) if part)


def _card(v: LesionVerdict, picture: LesionPicture | None, masses: Sequence[tuple[str, str]]) -> Card:
    facts = []
    if v.ct_hu is not None:
        facts.append(("CT", with_uncertainty(v.ct_hu, v.ct_se_hu, "HU")))
    if v.qsm_ppm is not None:
        facts.append(("QSM", with_uncertainty(v.qsm_ppm, v.qsm_se_ppm, "ppm")))
    if v.probability_haemorrhage is not None:
        facts += probability_facts(v.probability_haemorrhage, v.probability_calcification, v.probability_mixed)
    facts.append(("Rules say", v.rule.verdict))
    if v.volume_mm3 is not None:
        facts.append(("Volume", f"{number(v.volume_mm3, 3)} mm³"))
    if v.composition is not None:
        inside = v.composition
        facts.append(("Iron-like voxels", f"{percent(inside.iron_share, 0)} ± {percent(inside.iron_share_se, 0)}"))
        facts.append(
            ("Calcium-like voxels", f"{percent(inside.calcium_share, 0)} ± {percent(inside.calcium_share_se, 0)}")
        )
    facts += list(masses)
    if v.truth:
        facts.append(("Truth", v.truth))
    title = lesion_name(v)
    return Card(
        title,
        v.verdict,
        TONES[v.verdict],
        None if picture is None else lesion_figure(picture, title),
        facts,
        v.note,
    )
