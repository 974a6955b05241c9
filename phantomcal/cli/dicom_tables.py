"""What `dicom` prints."""

from collections.abc import Sequence
from shlex import quote

from rich.console import Console
from rich.markup import escape

from phantomcal.errors import InputError
from phantomcal.results.dicom import DicomListing, DicomVolume
from phantomcal.terminal import _console

_MOST_DAMAGED = 5


def show_listing(listing: DicomListing, damaged: Sequence[InputError]) -> None:
    """A paragraph for each volume: what it is, what it is good for, what to pass on, what is odd about it."""
    console = _console()
    for volume in listing.volumes:
        _show(console, volume)
    if listing.n_other_files:
        console.print(f"{listing.n_other_files} other files: no DICOM images")
    for error in damaged[:_MOST_DAMAGED]:
        console.print(f"[yellow]warning:[/] {escape(str(error))}", soft_wrap=True)
    if len(damaged) > _MOST_DAMAGED:
        console.print(f"[yellow]and {len(damaged) - _MOST_DAMAGED} more damaged files[/]")


def _show(console: Console, volume: DicomVolume) -> None:
    number = "–" if volume.series_number is None else str(volume.series_number)
    title = f" “{escape(volume.description)}”" if volume.description else ""
    console.print(f"[bold]series {number}[/]  {escape(volume.kind)}{title}", soft_wrap=True)
    console.print(f"  {escape(_facts(volume))}", soft_wrap=True)
    if volume.good_for:
        console.print(f"  [green]good for {', '.join(volume.good_for)}[/]")
        console.print(f"  use  {escape(quote(volume.use))}", soft_wrap=True)  # one line, to copy
    else:
        console.print(f"  [red]not usable[/]: {escape(volume.problem or 'no measured volume')}", soft_wrap=True)
        console.print(f"  is   {escape(volume.use)}", soft_wrap=True)
    for quirk in volume.quirks:
        console.print(f"  [yellow]odd[/]  {escape(quirk)}", soft_wrap=True)


def _facts(volume: DicomVolume) -> str:
    facts = [f"{volume.n_images} image{'' if volume.n_images == 1 else 's'}"]
    if volume.n_files != volume.n_images:
        facts[0] += f" in {volume.n_files} file{'' if volume.n_files == 1 else 's'}"
    if volume.columns and volume.rows:
        facts.append(f"{volume.columns} × {volume.rows}")
    if volume.spacing_mm:
        sizes = [*volume.spacing_mm] + ([volume.slice_distance_mm] if volume.slice_distance_mm else [])
        facts.append(" × ".join(f"{size:.3g}" for size in sizes) + " mm")
    if volume.kvp:
        facts.append(f"{volume.kvp:g} kV")
    if volume.kernel:
        facts.append(f"kernel {volume.kernel}")
    if volume.field_tesla:
        facts.append(f"{volume.field_tesla:g} T")
    if volume.echo_ms:
        facts.append(f"echo {volume.echo_ms:g} ms")
    if volume.compression:
        facts.append(volume.compression)
    return ", ".join(facts)
