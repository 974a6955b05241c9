"""``python -m phantomcal``."""

from phantomcal.cli import main

main()
