"""What lies where in a study folder: sessions, phantoms and people, and the names their files may have."""

from phantomcal.study.read import Session, Study, nearest_phantom, read_study

__all__ = ["Session", "Study", "nearest_phantom", "read_study"]
