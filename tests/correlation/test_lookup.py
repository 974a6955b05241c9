"""Names of labels: every program's own file gives the same table; sides are read off names and taken out of them."""

from pathlib import Path

import pytest

from phantomcal.correlation.lookup import hemisphere, read_lookup, without_side
from phantomcal.errors import InputError

FREESURFER = """#$Id: a colour table
#No. Label Name:                            R   G   B   A

0   Unknown                                 0   0   0   0
10  Left-Thalamus                           0   118 14  0
13  Left-Pallidum                           12  48  255 0
24  CSF                                     60  60  60  0
11101  ctx_lh_G_and_S_frontomargin          23 220  60  0
"""
SLICER = """# Color table file C:/somewhere/Segmentation-label_ColorTable.ctbl
# 3 values
0 Background 0 0 0 0
1 globus_pallidus 216 101 79 255
2 Ammon's_horn 241 214 145 255
"""
ITKSNAP = """################################################
# ITK-SnAP Label Description File
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "left red nucleus"
   12     0  255    0     0.50  1  1    "LM 01"
"""
SLICER_CSV = "LabelValue,Name,Color_R,Color_G,Color_B,Color_A\n1,globus pallidus,216,101,79,255\n7,dentate,1,2,3,255\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "FreeSurferColorLUT.txt",
            FREESURFER,
            {10: "Left-Thalamus", 13: "Left-Pallidum", 24: "CSF", 11101: "ctx_lh_G_and_S_frontomargin"},
        ),
        ("colours.ctbl", SLICER, {1: "globus_pallidus", 2: "Ammon's_horn"}),
        ("labels.txt", ITKSNAP, {1: "left red nucleus", 12: "LM 01"}),
        ("labels.label", ITKSNAP, {1: "left red nucleus", 12: "LM 01"}),
        ("colours.csv", SLICER_CSV, {1: "globus pallidus", 7: "dentate"}),
        ("dseg.tsv", "name\tcolour\tindex\nputamen\t#fff\t12\nNA\t#0f0\t3\n", {12: "putamen", 3: "NA"}),
    ],
)
def test_the_files_of_every_program_are_read(tmp_path: Path, name: str, text: str, expected: dict[int, str]) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    frame = read_lookup(tmp_path / name)
    assert dict(zip(frame["index"], frame["name"], strict=True)) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SLICER + "3 bone 1 2\n", "line 6 is not understood"),
        (FREESURFER + "10 again 1 2 3 0\n", "an index that was there before in row 9"),
        (ITKSNAP + '  13  0 0 0 1 1 1 "open\n', "an open quotation mark in line 8"),
        (ITKSNAP + '  13  0 0 0 1 1 1 ""\n', "no name in row 8"),
        ("# Color procedural file\n0 0 0 0\n", "continuous colour scale"),
        ("# nothing\n", "no label in the lookup table"),
    ],
)
def test_broken_colour_tables_are_refused_by_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "colours.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words) as refused:
        read_lookup(tmp_path / "colours.txt")
    assert "colours.txt" in str(refused.value)


def test_what_is_no_text_and_what_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(InputError, match="no text"):
        read_lookup(tmp_path / "picture.txt")
    with pytest.raises(InputError, match="no such lookup table"):
        read_lookup(tmp_path / "absent.txt")


@pytest.mark.parametrize(
    ("name", "side", "base"),
    [
        ("left putamen", "left", "putamen"),
        ("Right-Caudate", "right", "Caudate"),
        ("putamen_L", "left", "putamen"),
        ("L_V1_ROI", "left", "V1_ROI"),
        ("ctx-lh-insula", "left", "ctx-insula"),
        ("ctx_rh_G_cuneus", "right", "ctx_G_cuneus"),
        ("dentate nucleus (right)", "right", "dentate nucleus"),
        ("Globus pallidus", "", "Globus pallidus"),
        ("layer r of cortex", "", "layer r of cortex"),
        ("left and right caudate", "", "left and right caudate"),
        ("left", "left", "left"),
    ],
)
def test_sides_are_read_off_names_and_taken_out_of_them(name: str, side: str, base: str) -> None:
    assert hemisphere(name) == side
    assert without_side(name) == base


@pytest.mark.parametrize(
    "pair", [("Left-Caudate", "Right-Caudate"), ("L_4", "R_4"), ("ctx-lh-cuneus", "ctx-rh-cuneus")]
)
def test_both_sides_have_one_name_without_the_side(pair: tuple[str, str]) -> None:
    assert without_side(pair[0]) == without_side(pair[1])
