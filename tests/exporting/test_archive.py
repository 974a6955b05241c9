"""A real archive between: stored in Orthanc over C-STORE, read back over DICOMweb, unchanged."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import NamedTuple

import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from pynetdicom import AE

from phantomcal.exporting.report import read_measurements
from tests.conftest import require_in_ci
from tests.exporting.conftest import Exported

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


class Archive(NamedTuple):
    """Ports of an archive on loopback."""

    dicom: int
    http: int

    def get(self, path: str, accept: str) -> tuple[bytes, Message]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}/{path}", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read(), answer.headers


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    program = shutil.which("Orthanc")
    require_in_ci(program is not None and PLUGIN.exists(), "Orthanc with DICOMweb (Debian: orthanc, orthanc-dicomweb)")
    assert program is not None
    folder = tmp_path_factory.mktemp("orthanc")
    ports = Archive(free_port(), free_port())
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "DicomAet": "ARCHIVE",
        "DicomPort": ports.dicom,
        "HttpPort": ports.http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "DicomCheckCalledAet": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    log = (folder / "log").open("w")
    server = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        for _ in range(150):
            try:
                ports.get("system", "application/json")
                break
            except OSError:
                assert server.poll() is None, (folder / "log").read_text()[-2000:]
                time.sleep(0.1)
        yield ports
    finally:
        server.terminate()
        server.wait(10)
        log.close()


def store(archive: Archive, datasets: list[pydicom.Dataset]) -> list[int]:
    """Status of each C-STORE."""
    entity = AE("PHANTOMCAL")
    for data in datasets:
        entity.add_requested_context(data.SOPClassUID, data.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", archive.dicom, ae_title="ARCHIVE")
    assert association.is_established
    try:
        return [int(association.send_c_store(data).Status) for data in datasets]
    finally:
        association.release()


def fetched(archive: Archive, data: pydicom.Dataset) -> pydicom.Dataset:
    """The instance over DICOMweb (WADO-RS)."""
    place = f"studies/{data.StudyInstanceUID}/series/{data.SeriesInstanceUID}/instances/{data.SOPInstanceUID}"
    body, headers = archive.get(f"dicom-web/{place}", 'multipart/related; type="application/dicom"')
    whole = BytesParser().parsebytes(f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body)
    part = whole.get_payload()[0]  # type: ignore[union-attr,index]
    return pydicom.dcmread(DicomBytesIO(part.get_payload(decode=True)))  # type: ignore[union-attr]


def test_objects_come_back_from_a_real_archive_unchanged(archive: Archive, exported: Exported) -> None:
    sources = [pydicom.dcmread(p) for p in sorted(exported.source.iterdir())]
    objects = [pydicom.dcmread(p) for p in sorted(exported.out.iterdir())]
    assert store(archive, [*sources, *objects]) == [0] * (len(sources) + len(objects))
    for data in objects:
        back = fetched(archive, data)
        assert back.to_json_dict() == data.to_json_dict()
    report = next(data for data in objects if data.SeriesDescription == "phantomcal measurements")
    found = read_measurements(fetched(archive, report))
    for row in exported.table.to_dict("records"):
        assert [v for _, v, _ in found[row["roi"]]] == [row[c] for c in ("ct_hu", "ct_sd_hu", "qsm_ppm", "volume_mm3")]


def test_the_archive_shows_one_study_of_one_patient(archive: Archive, exported: Exported) -> None:
    body, _ = archive.get("dicom-web/studies", "application/dicom+json")
    studies = json.loads(body)
    assert len(studies) == 1
    series, _ = archive.get(f"dicom-web/studies/{studies[0]['0020000D']['Value'][0]}/series", "application/dicom+json")
    modalities = sorted(s["00080060"]["Value"][0] for s in json.loads(series))
    # A parametric map takes the modality of what it was computed from, or says OT.
    assert modalities.count("SEG") == 1
    assert modalities.count("SR") == 2
    assert len(modalities) == 5
