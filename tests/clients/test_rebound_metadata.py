"""One reader of clientMetadata for all shapes, one writer of each."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebound_tts.clients.json_values import parse_json
from rebound_tts.clients.rebound_metadata import (
    MetadataConflictError,
    MetadataShape,
    normalize_metadata,
    write_metadata,
)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([{"key": "omsOrderId", "value": "SO-1"}], {"omsOrderId": "SO-1"}),
        ([{"name": "omsOrderId", "value": "SO-1"}], {"omsOrderId": "SO-1"}),
        ([{"key": "omsOrderId", "value": "SO-1", "id": 5}], {"omsOrderId": "SO-1"}),
        ([{"omsOrderId": "SO-1"}], {"omsOrderId": "SO-1"}),
        ([{"omsOrderId": "SO-1", "a": "b"}, {"key": "c", "value": "d"}], {"omsOrderId": "SO-1", "a": "b", "c": "d"}),
        ({"omsOrderId": "SO-1"}, {"omsOrderId": "SO-1"}),
        ({"key": "a", "value": "b"}, {"key": "a", "value": "b"}),
        ([{"key": "lonely"}], {"key": "lonely"}),
        (None, {}),
        ([], {}),
        ({}, {}),
        ([{}], {}),
        ({"a": None}, {}),
        ([{"a": "1"}, {"a": "1"}], {"a": "1"}),
        ([{"a": None}, {"a": "1"}], {"a": "1"}),
        ({"a": 577086512123755123, "b": True, "c": 1.50, "d": [1, {"e": "ü"}]},
         {"a": "577086512123755123", "b": "true", "c": "1.5", "d": '[1,{"e":"ü"}]'}),
        ({"a": " SO-1 ", "b": "00SO"}, {"a": " SO-1 ", "b": "00SO"}),
        ({"a\x00": "b\ud800"}, {"a\ufffd": "b\ufffd"}),
    ],
)  # fmt: skip
def test_normalize_metadata_reads_every_shape(value: object, found: dict[str, str]):
    assert normalize_metadata(parse_json(json.dumps(value).encode())) == found


@pytest.mark.parametrize(
    "value",
    [
        [{"a": "1"}, {"a": "2"}],
        [{"key": "a", "value": "1"}, {"name": "a", "value": "2"}],
        [{"key": "a", "value": "1"}, {"a": 2}],
    ],
)
def test_normalize_metadata_refuses_a_key_with_two_values(value: object):
    with pytest.raises(MetadataConflictError, match="two values for 'a'"):
        normalize_metadata(value)


@pytest.mark.parametrize("value", ["x", 5, True, ["x"], [None], [["a", "b"]]])
def test_normalize_metadata_refuses_what_is_no_shape(value: object):
    with pytest.raises(ValueError, match="clientMetadata"):
        normalize_metadata(value)


@given(
    metadata=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
                             st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))),
    shape=st.sampled_from(["A", "B", "C"]),
)  # fmt: skip
def test_write_metadata_is_read_back(metadata: dict[str, str], shape: MetadataShape):
    if shape == "B":  # an object {"key": …, "value": …} would read as A; B has one field an object
        assert all(len(entry) == 1 for entry in write_metadata(metadata, shape))
    assert normalize_metadata(write_metadata(metadata, shape)) == metadata
