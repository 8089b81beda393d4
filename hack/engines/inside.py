"""Runs in a process of its own: loads one program's parser and asks it.

The request comes as JSON on the standard input, ``{"module", "release", "roots", "lines"}``; the answer goes as JSON to
the file that the first argument names, since engines write on their standard output while they load.
"""

import argparse
import asyncio
import importlib
import importlib.util
import inspect
import json
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any
from unittest import mock

from hack.engines import stand_in
from hack.engines.programs import program

_SAMPLES = ("word", "7", "0.5", "{}")
"""What tells the types of values apart."""
Parse = Callable[[Sequence[str]], dict[str, object]]


def _vllm() -> Parse:
    platforms = importlib.import_module("vllm.platforms")
    base = importlib.import_module("vllm.platforms.interface").UnspecifiedPlatform
    # What vLLM finds on a GPU machine. Without a device type its defaults cannot be made.
    platforms.__dict__["_current_platform"] = type("Gpu", (base,), {"device_type": "cuda"})()
    args = importlib.import_module("dynamo.vllm.args")

    def parse(line: Sequence[str]) -> dict[str, object]:
        config = _with_argv(args.parse_args, line)
        return {**_values(config), **_values(config.engine_args)}

    return parse


def _sglang() -> Parse:
    args = importlib.import_module("dynamo.sglang.args")

    async def already_there(path: str, **_: object) -> str:
        return path

    args.__dict__["fetch_model"] = already_there  # the parser downloads the model
    fields: Sequence[str] = getattr(args.ServerArgs, "__struct_fields__", ())
    if not fields:  # Before SGLang 0.5.21 the same class works out what depends on the model and the GPU.
        args.ServerArgs.__post_init__ = lambda _: None
        fields = tuple(args.ServerArgs.__dataclass_fields__)

    def parse(line: Sequence[str]) -> dict[str, object]:
        config = asyncio.run(args.parse_args(list(line)))
        return {**_values(config.dynamo_args), **{name: getattr(config.server_args, name) for name in fields}}

    return parse


def _trtllm() -> Parse:
    args = importlib.import_module("dynamo.trtllm.args")
    return lambda line: _values(args.parse_args(list(line)))


def _mocker() -> Parse:
    args = importlib.import_module("dynamo.mocker.args")
    if importlib.util.find_spec("dynamo.mocker.config") is None:  # before 1.1
        return lambda line: _values(_with_argv(args.parse_args, line))
    config = importlib.import_module("dynamo.mocker.config")

    def parse(line: Sequence[str]) -> dict[str, object]:
        values = _with_argv(args.parse_args, line)
        # The simulator's own check of its timing model needs a package that no registry has.
        named = (name for name in vars(values) if name.startswith(("ais_", "aic_")) and not name.endswith("_seed"))
        config.build_mocker_engine_args(argparse.Namespace(**vars(values) | dict.fromkeys(named)))
        return _values(values)

    return parse


def _frontend() -> Parse:
    main = importlib.import_module("dynamo.frontend.main")
    return lambda line: _values(_with_argv(main.parse_args, line)[0])


def _planner() -> Parse:
    main = importlib.import_module("dynamo.planner.__main__")
    return lambda line: dict(_with_argv(main._parse_config, line).model_dump(mode="json"))  # noqa: SLF001 - no other way


PARSERS: dict[str, Callable[[], Parse]] = {
    "dynamo.vllm": _vllm,
    "dynamo.sglang": _sglang,
    "dynamo.trtllm": _trtllm,
    "dynamo.mocker": _mocker,
    "dynamo.frontend": _frontend,
    "dynamo.planner": _planner,
}


def _with_argv(function: Callable[[], Any], line: Sequence[str]) -> Any:
    with mock.patch.object(sys, "argv", ["program", *line]):
        return function()


def _values(config: object) -> dict[str, object]:
    return dict(vars(config))


def _known(parse: Parse, sample: Sequence[str]) -> list[dict[str, object]]:
    """Return what the parsers know that a program asks for one command line, each flag once."""
    asked: list[argparse.ArgumentParser] = []
    defined: dict[int, str] = {}
    parse_known, add = argparse.ArgumentParser.parse_known_args, argparse._ActionsContainer.add_argument  # noqa: SLF001

    def listening(self: argparse.ArgumentParser, *args: Any, **options: Any) -> Any:
        asked.append(self)
        return parse_known(self, *args, **options)

    def noting(self: argparse._ActionsContainer, *args: Any, **options: Any) -> argparse.Action:
        action = add(self, *args, **options)
        defined[id(action)] = _definer()
        return action

    with (
        mock.patch.object(argparse.ArgumentParser, "parse_known_args", listening),
        mock.patch.object(argparse._ActionsContainer, "add_argument", noting),  # noqa: SLF001 - parsers and groups
    ):
        parse(sample)
    flags: dict[str, dict[str, object]] = {}
    for parser in asked:
        for action in parser._actions:  # noqa: SLF001 - argparse tells in no other way
            fresh = [name for name in action.option_strings if name not in flags and id(action) in defined]
            flags.update(dict.fromkeys(fresh, _described(parser, action) | {"source": defined.get(id(action), "")}))
    return [{"name": name, **flags[name]} for name in sorted(flags) if name not in ("-h", "--help")]


_HELPERS = ("argparse.py", "argparse_utils.py", "configuration/utils.py", "arg_groups/arg_utils.py", __file__)
"""Files that define flags for others."""


def _definer() -> str:
    """Return the file that defines the flag that is just being added, below the package's folder."""
    frame: FrameType | None = inspect.currentframe()
    while frame and frame.f_code.co_filename.endswith(_HELPERS):
        frame = frame.f_back
    file = frame.f_code.co_filename if frame else ""
    return next((file.removeprefix(f"{root}/") for root in sys.path if file.startswith(f"{root}/")), "")


def _described(parser: argparse.ArgumentParser, action: argparse.Action) -> dict[str, object]:
    described: dict[str, object] = {"values": _arity(action)}
    if action.choices is not None:
        described["choices"] = sorted(str(choice) for choice in action.choices if choice is not None)
    elif described["values"] != "none" and (kind := _kind(parser, action)):
        described["type"] = kind
    return described


def _arity(action: argparse.Action) -> str:
    arities: dict[object, str] = {0: "none", None: "one", "?": "optional"}
    return arities.get(action.nargs, "many")


def _kind(parser: argparse.ArgumentParser, action: argparse.Action) -> str | None:
    """Find out by trying: an engine's own conversions have names that tell nothing."""
    word, whole, fraction, mapping = (_takes(parser, action, sample) for sample in _SAMPLES)
    if word or mapping or not whole:  # a mapping: JSON, which a number is, too
        return None
    return "float" if fraction else "int"


def _takes(parser: argparse.ArgumentParser, action: argparse.Action, value: str) -> bool:
    try:
        parser._get_value(action, value)  # noqa: SLF001 - what argparse itself does with a value
    except (argparse.ArgumentError, argparse.ArgumentTypeError, ValueError, TypeError):
        return False
    return True


def _parsed(parse: Parse, lines: Iterable[Sequence[str]]) -> list[dict[str, object]]:
    return [_attempt(parse, line) for line in lines]


def _attempt(parse: Parse, line: Sequence[str]) -> dict[str, object]:
    messages: list[str] = []
    listener = logging.Handler(logging.ERROR)
    listener.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(listener)

    def refuse(_: argparse.ArgumentParser, message: str) -> None:
        messages.append(message)
        sys.exit(2)

    try:
        with mock.patch.object(argparse.ArgumentParser, "error", refuse):
            return {"values": parse(line)}
    except SystemExit:
        return {"refusal": messages[-1] if messages else "the program ended without a word"}
    except Exception as error:  # noqa: BLE001 - whatever a program raises about its arguments is its answer
        return {"refusal": f"{type(error).__name__}: {error}"}
    finally:
        logging.getLogger().removeHandler(listener)


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    asked, roots = program(request["module"], request["release"]), [Path(root) for root in request["roots"]]
    sys.path[:0] = [str(root) for root in roots]
    sys.modules.setdefault("regex", _standard("re"))  # the patterns that argument code uses are the same in both
    stand_in.install(asked.stand_ins)
    stand_in.leave_empty(asked.emptied, roots)
    parse = PARSERS[asked.module]()
    answer: dict[str, object] = {"known": _known(parse, asked.sample), "parsed": _parsed(parse, request["lines"])}
    if asked.module == "dynamo.planner":
        config = importlib.import_module("dynamo.planner.__main__").PlannerConfig
        answer["schema"] = config.model_json_schema()
        answer["aliases"] = {
            str(alias): name
            for name, info in config.model_fields.items()
            if info.validation_alias
            for alias in info.validation_alias.choices
            if alias != name
        }
    Path(sys.argv[1]).write_text(json.dumps(answer, default=str), encoding="utf-8")


def _standard(name: str) -> ModuleType:
    return importlib.import_module(name)


if __name__ == "__main__":
    main()
