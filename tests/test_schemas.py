"""The schema files in data_schemas/ are what the records say, and real records obey them."""

import json
from pathlib import Path

import pytest

from phantomcal.outputs import to_json
from phantomcal.protocol import builtin_protocols, load_protocol
from phantomcal.results import Alignment
from phantomcal.schemas import json_schemas, write_schemas

FOLDER = Path(__file__).resolve().parents[1] / "data_schemas"


def test_the_folder_holds_every_schema_and_nothing_else() -> None:
    assert {p.name for p in FOLDER.iterdir()} == {f"{name}.schema.json" for name in json_schemas()}


@pytest.mark.parametrize("name", sorted(json_schemas()))
def test_a_file_equals_the_generated_schema(name: str) -> None:
    stored = (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    assert stored == to_json(json_schemas()[name]), "run `make schemas`"


def test_writing_makes_the_folder_and_the_same_bytes(tmp_path: Path) -> None:
    target = tmp_path / "new" / "schemas"
    write_schemas(target)
    write_schemas(target)
    assert {p.name: p.read_bytes() for p in target.iterdir()} == {p.name: p.read_bytes() for p in FOLDER.iterdir()}


def test_records_have_a_schema_version_and_refuse_unknown_fields() -> None:
    for name, schema in json_schemas().items():
        assert "schema_version" in schema["properties"], name
        assert schema["additionalProperties"] is False, name
        assert schema["description"], name


def test_required_fields_of_a_record_are_required_by_its_schema() -> None:
    required = {name for name, field in Alignment.model_fields.items() if field.is_required()}
    assert set(json_schemas()["registration"]["required"]) == required


@pytest.mark.parametrize("name", sorted(builtin_protocols()))
def test_a_protocol_survives_being_written_as_json(name: str) -> None:
    protocol = load_protocol(name)
    written = json.loads(protocol.model_dump_json())
    assert set(written) == set(json_schemas()["protocol"]["properties"])
    assert type(protocol).model_validate(written) == protocol
