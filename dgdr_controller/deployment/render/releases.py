"""Releases of Dynamo: which one the images of a deployment are of, and what its programs call what is rendered.

The tables of the engines, of the simulator and of the planner speak the newest release's language; each older release
says how it differs from the next newer one. ``hack/engines`` asks the parsers of all of them: they are strict, so
that one flag of another release ends a pod.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from dgdr_api.v1beta1 import Backend

Argument = tuple[str, str | None]
"""A flag and its value, or None for a switch."""
Line = list[Argument]

_LARGEST_MAJOR = 9
"""Images of other projects have years in their tags: 25.06."""
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+)?(?:[+-].*|\.?(?:rc|post|dev)\d.*)?")


@dataclass(frozen=True, slots=True)
class Rewrite:
    """How command lines of a program differ from those of the next newer release.

    Attributes:
        apply: Makes a line of the newer release one of this release.
        what: What it does, in a few words of Markdown.
    """

    apply: Callable[[Line], Line]
    what: str


@dataclass(frozen=True, slots=True, eq=False)  # there is one of each
class Release:
    """A minor release of Dynamo.

    Attributes:
        version: Major and minor number.
        checked: The patch whose parsers were asked.
        engines: Versions of vLLM, SGLang and TensorRT-LLM that it pins.
        programs: By module, how its command lines differ from those of the next newer release.
        planner: What the planner's settings are called, where they have other names than in the next newer release.
        later: Flags with values that the next newer release was the first to know, with the value that stands in for
            it; None: the flag is left out.
        planner_image: Name of the image with planner and mocker; empty: those of the engines have them.
    """

    version: tuple[int, int]
    checked: str
    engines: tuple[str, str, str]
    programs: Mapping[str, tuple[Rewrite, ...]] = field(default_factory=dict)
    planner: Mapping[str, str] = field(default_factory=dict)
    later: Mapping[Argument, str | None] = field(default_factory=dict)
    planner_image: str = "dynamo-planner"

    def __str__(self) -> str:
        return ".".join(map(str, self.version))

    def __reduce__(self) -> tuple[object, ...]:
        return release_of, (self.version,)  # there is one of each, in every process

    def is_before(self, changed: tuple[int, int] | None) -> bool:
        """Say whether it is older than the release that has changed something; None: none has."""
        return changed is None or self.version < changed

    def engine_version(self, backend: Backend) -> str:
        """Return the version of an engine."""
        return dict(zip((Backend.VLLM, Backend.SGLANG, Backend.TRTLLM), self.engines, strict=True))[backend]


def _renamed(name: str, to: str, value: str | None = None) -> Rewrite:
    def apply(line: Line) -> Line:
        return [((to, value or current) if flag == name else (flag, current)) for flag, current in line]

    return Rewrite(apply, f"`{name}` is `{to}{f' {value}' if value else ''}`")


def _dropped(name: str) -> Rewrite:
    return Rewrite(lambda line: [words for words in line if words[0] != name], f"no `{name}`")


def _length_for_vllm_alone(line: Line) -> Line:
    return [words for words in line if words[0] != "--max-model-len" or ("--engine-type", "vllm") in line]


def _times_by_their_old_names(line: Line) -> Line:
    return [(flag.replace("--ais-", "--aic-"), value) for flag, value in line]


def _without_times(line: Line) -> Line:
    return [words for words in line if not words[0].startswith("--aic-")]


def _by_vllms_scheduler(line: Line) -> Line:
    return [("--engine-type", "vllm") if words == ("--engine-type", "trtllm") else words for words in line]


def _options_as_json(line: Line) -> Line:
    tree: dict[str, JsonValue] = {}
    for flag, value in line:
        if flag.startswith("--trtllm."):
            at, (*path, last) = tree, flag.removeprefix("--trtllm.").split(".")
            for name in path:
                inner = at.setdefault(name, {})
                assert isinstance(inner, dict)  # noqa: S101 - no option is both a value and an object
                at = inner
            at[last] = _json(value or "")
    rest = [(flag, value) for flag, value in line if not flag.startswith("--trtllm.")]
    return [*rest, ("--override-engine-args", json.dumps(tree, separators=(",", ":")))] if tree else rest


def _json(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value


_TOOLS, _REASONING = "--dyn-tool-call-parser", "--dyn-reasoning-parser"


def _parsers(*names: str) -> dict[Argument, str | None]:
    return {(flag, name): None for flag in (_TOOLS, _REASONING) for name in names}


RELEASES = (
    Release((1, 6), "1.6.1", ("0.31.0", "0.5.21", "1.3.0rc29")),
    Release(
        (1, 5), "1.5.1", ("0.28.0", "0.5.18", "1.3.0rc25"),
        {
            "dynamo.mocker": (
                Rewrite(_times_by_their_old_names, "`--ais-…` is `--aic-…`"),
                Rewrite(_length_for_vllm_alone, "`--max-model-len` for vLLM alone"),
            )
        },
        later={(_TOOLS, "glm45"): "glm47"},
    ),
    Release((1, 4), "1.4.2", ("0.26.0", "0.5.16", "1.3.0rc22")),
    Release(
        (1, 3), "1.3.1", ("0.23.0", "0.5.14", "1.3.0rc19"), {"dynamo.mocker": (_dropped("--max-model-len"),)},
        later=_parsers("kimi_k3"),
    ),
    Release(
        (1, 2), "1.2.1", ("0.20.1", "0.5.11", "1.3.0rc14"),
        {
            "dynamo.sglang": (
                _renamed("--cuda-graph-max-bs-decode", "--cuda-graph-max-bs"), _dropped("--cuda-graph-backend-prefill"),
            ),
            "dynamo.trtllm": (
                _renamed("--publish-kv-events", "--publish-events-and-metrics"),
                _renamed("--enable-multimodal", "--modality", "multimodal"),
            ),
            "dynamo.mocker": (Rewrite(_by_vllms_scheduler, "`--engine-type trtllm` is `vllm`"),),
        },
        later=_parsers("minimax_m3"),
    ),
    Release(
        (1, 1), "1.1.1", ("0.19.0", "0.5.10.post1", "1.3.0rc11"),
        {"dynamo.mocker": (_dropped("--aic-backend"),)},
        {
            "ttft_ms": "ttft", "itl_ms": "itl", "advisory": "no_operation",
            "throughput_adjustment_interval_seconds": "throughput_adjustment_interval",
            "load_adjustment_interval_seconds": "load_adjustment_interval",
        },
        later=_parsers("deepseek_v4", "gemma4"),
    ),
    Release(
        (1, 0), "1.0.2", ("0.16.0", "0.5.9", "1.3.0rc5.post1"),
        {
            "dynamo.trtllm": (Rewrite(_options_as_json, "`--trtllm.…` is `--override-engine-args JSON`"),),
            "dynamo.mocker": (_dropped("--engine-type"), Rewrite(_without_times, "no `--aic-…`")),
        },
        planner_image="",
    ),
)  # fmt: skip
"""The releases whose images may be named, newest first."""
NEWEST, OLDEST = RELEASES[0], RELEASES[-1]


def version_of(tag: str | None) -> tuple[int, int] | None:
    """Return the release that a tag names; None: it names none (``latest``, a digest alone, a build of somebody's)."""
    found = _VERSION.fullmatch(tag or "")
    version = (int(found[1]), int(found[2])) if found else None
    return None if version is None or version[0] > _LARGEST_MAJOR else version


def release_of(version: tuple[int, int]) -> Release:
    """Return the release whose language the programs of a version speak: of one in between the next older."""
    return next((release for release in RELEASES if release.version <= version), OLDEST)


def _older(release: Release) -> Sequence[Release]:
    """Return the releases down to one, the newest but one first."""
    return [r for r in RELEASES[1:] if r.version >= release.version]


def _known(words: Argument, release: Release) -> Argument | None:
    """Return a flag with a value that a release knows; None: it is left out."""
    if words not in release.later:
        return words
    value = release.later[words]
    return None if value is None else (words[0], value)


def command_line(module: str, line: Iterable[Argument], release: Release) -> tuple[str, ...]:
    """Return a program's command line as one release's parser takes it.

    Args:
        module: The program.
        line: Its flags as the newest release has them.
        release: The release.
    """
    written = list(line)
    for step in _older(release):
        written = [words for word in written if (words := _known(word, step)) is not None]
        for rewrite in step.programs.get(module, ()):
            written = rewrite.apply(written)
    return tuple(word for flag, value in written for word in ((flag,) if value is None else (flag, value)))


def planner_settings(settings: Mapping[str, JsonValue], release: Release, *, by_load: bool) -> dict[str, JsonValue]:
    """Return the planner's settings as a release understands them.

    Args:
        settings: The settings as the newest release has them.
        release: The release.
        by_load: Whether the planner cannot know how fast the workers are: then the oldest one ends unless it scales by
            load.
    """
    names = {new: old for step in _older(release) for new, old in step.planner.items()}
    switches = {"enable_throughput_scaling": False, "enable_load_scaling": True} if by_load else {}
    renamed = {names.get(name, name): value for name, value in settings.items()}
    return {**switches, **renamed} if release is OLDEST else renamed
