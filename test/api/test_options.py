import pytest

from dgdr_api.candidate import KvCacheDtype
from dgdr_api.errors import InvalidRequestError
from dgdr_api.options import SearchOptions, keeps_image, runs_its_image, search_options

KEEP = "dgdr.nvidia.com/keep-image"
PROFILER = "dgdr.nvidia.com/profiler"


def test_options_are_read_off_the_annotations() -> None:
    annotations = {
        "dgdr.nvidia.com/context-length": "32768",
        "dgdr.nvidia.com/speculative": "1",
        "dgdr.nvidia.com/kv-cache-dtype": "fp8",
        "other": "x",
    }
    assert search_options(annotations) == SearchOptions(32_768, 1, KvCacheDtype.FP8)
    assert search_options(None) == SearchOptions()


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "many", "٣", "9" * 5000])
def test_options_that_are_no_counts_are_refused_all_at_once(text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        search_options({"dgdr.nvidia.com/context-length": text, "dgdr.nvidia.com/speculative": text})
    length, drafts = map(str, caught.value.errors)
    assert length.startswith("metadata.annotations[dgdr.nvidia.com/context-length]: Invalid value: ")
    assert length.endswith(": must be a number from 1 to 2147483647")
    assert drafts.endswith(": must be a number from 1 to 8")
    assert len(length) < 300


@pytest.mark.parametrize("text", ["", "FP8", "fp8_e4m3", "bfloat16", "x" * 5000])
def test_number_format_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        search_options({"dgdr.nvidia.com/kv-cache-dtype": text})
    message = str(caught.value)
    assert message.startswith("metadata.annotations[dgdr.nvidia.com/kv-cache-dtype]: Invalid value: ")
    assert message.endswith(": must be auto or fp8")
    assert len(message) < 300


@pytest.mark.parametrize(("annotations", "kept"), [({}, False), ({KEEP: "true"}, True), ({KEEP: "false"}, False)])
def test_image_is_kept_if_somebody_insists(annotations: dict[str, str], *, kept: bool) -> None:
    assert keeps_image(annotations) is kept
    assert search_options(annotations) == SearchOptions()


@pytest.mark.parametrize(
    ("name", "text", "right"),
    [(KEEP, "yes", "true or false"), (PROFILER, "upstream", "image"), (PROFILER, "", "image")],
)
def test_value_that_an_annotation_does_not_have_is_refused(name: str, text: str, right: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        search_options({name: text})
    assert [str(error) for error in caught.value.errors] == [
        f'metadata.annotations[{name}]: Invalid value: "{text}": must be {right}'
    ]


def test_image_profiles_if_somebody_asks_for_it() -> None:
    assert runs_its_image({PROFILER: "image"})
    assert not runs_its_image({})


def test_options_of_the_command_line_stand_before_those_of_the_request() -> None:
    written = SearchOptions(context_length=8192, draft_tokens=2)
    assert written.replaced_by(SearchOptions(draft_tokens=1)) == SearchOptions(8192, 1)
    quantised = SearchOptions(kv_cache_dtype=KvCacheDtype.FP8)
    assert quantised.replaced_by(SearchOptions(kv_cache_dtype=KvCacheDtype.AUTO)).kv_cache_dtype is KvCacheDtype.AUTO
    assert quantised.replaced_by(SearchOptions(8192)).kv_cache_dtype is KvCacheDtype.FP8
    assert written.replaced_by(SearchOptions()) == written
