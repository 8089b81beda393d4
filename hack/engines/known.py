"""What each program's parser knows, as committed files hold it: facts, without a word of its help."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hack.engines.programs import Program, program
from hack.engines.wheels import NEWEST

FOLDER = Path(__file__).parent / "known"
_PROSE = ("description", "title")

Arity = Literal["none", "one", "optional", "many"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of a program.

    Attributes:
        values: How many words follow it.
        type: "int" or "float" where its parser refuses words, or None. (8k for 8192 is refused
            here though some take it: we do not write it.)
        choices: The words that it takes, or None for any.
        source: The file that defines it, below the package's folder.
    """

    values: Arity
    type: Literal["int", "float"] | None = None
    choices: tuple[str, ...] | None = None
    source: str = ""

    def objections(self, words: Sequence[str]) -> Iterator[str]:
        """Yield what this flag refuses about the words that follow it."""
        fewest, most = {"none": (0, 0), "one": (1, 1), "optional": (0, 1), "many": (1, len(words))}[self.values]
        if not fewest <= len(words) <= most:
            yield f"takes {self.values} of the values {' '.join(words) or '(nothing)'}"
        for word in words:
            if self.choices is not None and word not in self.choices:
                yield f"takes {', '.join(self.choices)}, not {word}"
            elif self.type is not None and not _is(self.type, word):
                yield f"takes {self.type}, not {word}"


def _is(kind: Literal["int", "float"], word: str) -> bool:
    try:
        (int if kind == "int" else float)(word)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Known:
    """What one program knows.

    Attributes:
        module: The program.
        packages: Version of each package that was asked.
        flags: Its flags by name.
        config: For the planner: the JSON Schema of its configuration file, and what else its keys may be called. Of
            an older release the schema has no more than the type or the choices of each key.
    """

    module: str
    packages: Mapping[str, str]
    flags: Mapping[str, Flag]
    config: Mapping[str, Any] = field(default_factory=dict)

    def objections(self, line: Iterable[str]) -> list[str]:
        """Return what the program would refuse of a command line (what follows ``python3 -m MODULE``).

        Stricter than argparse, as nothing is abbreviated and every flag is a word of its own. That a program knows
        each flag does not mean that it can do what they say together: that shows when it starts.
        """
        words, found = list(line), []
        while words:
            name, values = words.pop(0), []
            while words and not words[0].startswith("--"):
                values.append(words.pop(0))
            flag = self._flag(name)
            refused = ["is not known"] if flag is None else flag.objections(values)
            found += [f"{name} {value} ({self.module})" for value in refused]
        return found

    def _flag(self, name: str) -> Flag | None:
        prefix = program(self.module, self.packages["ai-dynamo"]).open_prefix
        return Flag("one") if prefix and name.startswith(prefix) else self.flags.get(name)

    def unknown_keys(self, config: Iterable[str]) -> list[str]:
        """Return the keys of a configuration that the planner would ignore without a word."""
        keys = {*self.config["schema"]["properties"], *self.config["aliases"]}
        return sorted(set(config) - keys)


def read(module: str, release: str = NEWEST.version) -> Known:
    """Return what a program of a release knows, from its committed file: of an older one, what may be rendered."""
    content = json.loads(path(module, release).read_text(encoding="utf-8"))
    flags = {
        name: Flag(
            flag["values"], flag.get("type"), tuple(flag["choices"]) if "choices" in flag else None, flag["source"]
        )
        for name, flag in content["flags"].items()
    }
    return Known(module, content["packages"], flags, content.get("config", {}))


def path(module: str, release: str = NEWEST.version) -> Path:
    """Return the file of a program of a release."""
    return FOLDER / ("" if release == NEWEST.version else release) / f"{module}.json"


def text(asked: Program, answer: Mapping[str, Any]) -> str:
    """Return the content of a program's file: one flag on each line, so that a new version shows as what it changes."""
    known = [flag for flag in answer["known"] if asked.kept is None or flag["name"] in asked.kept]
    flags = [f"    {json.dumps(flag.pop('name'))}: {json.dumps(flag)}" for flag in map(dict, known)]
    parts = [
        f'  "packages": {json.dumps({wheel.name: wheel.version for wheel in asked.wheels})}',
        '  "flags": {\n' + ",\n".join(flags) + "\n  }",
    ]
    if "schema" in answer:
        schema = _without_prose(answer["schema"]) if asked.kept is None else _keys(answer["schema"])
        config = {"aliases": answer["aliases"], "schema": schema}
        parts.append(f'  "config": {json.dumps(config, indent=2, sort_keys=True)}'.replace("\n", "\n  "))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _keys(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a configuration with the type or the choices of each."""
    fields, defined = schema["properties"], schema.get("$defs", {})
    return {"properties": {name: _meant(field, defined) for name, field in fields.items()}}


def _meant(field: Mapping[str, Any], defined: Mapping[str, Any]) -> dict[str, Any]:
    (first, *_) = (alternative for alternative in field.get("anyOf", [field]) if alternative.get("type") != "null")
    meant = defined[first["$ref"].rpartition("/")[2]] if "$ref" in first else first
    return {key: meant[key] for key in (("enum",) if "enum" in meant else ("type",))}


def _without_prose(schema: Any) -> Any:
    if isinstance(schema, dict):
        names = schema.get("properties", {}).keys() if isinstance(schema.get("properties"), dict) else ()
        return {
            key: {name: _without_prose(value[name]) for name in names} if key == "properties" else _without_prose(value)
            for key, value in schema.items()
            if key not in _PROSE
        }
    return [_without_prose(item) for item in schema] if isinstance(schema, list) else schema
