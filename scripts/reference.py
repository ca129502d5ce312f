"""Write the generated sections of the docs: what the code says of its names, options, routes, errors and limits.

    python scripts/reference.py

A section stands between `<!-- made by scripts/reference.py: NAME -->` and `<!-- end -->`; the text around it is
written by hand. tests/docs/test_reference.py compares every section with the code.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import vtag
from vtag.cli import engine
from vtag.cli.main import COMMANDS, Parser
from vtag.cli.serve import LIMITS
from vtag.errors import TABLE, TABLES
from vtag.files.compression import SUFFIXES
from vtag.files.formats import FORMATS
from vtag.model.architectures import ARCHITECTURES
from vtag.serve.limits import FIXED, Limits

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference"
SECTION = re.compile(r"(?<=<!-- made by scripts/reference\.py: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
ROUTES = {
    "native": "vLLM's own decoder with a token head",
    "packed": "Hugging Face's module inside vLLM, many texts in one request",
    None: "not run: they need more than text",
}
# Public names of other modules.
INTEGRATIONS = ("integrations.presidio.VtagRecognizer", "integrations.ray.TagWorker", "integrations.ray.Cluster")
# Tables of errors -> their headings.
ERRORS = {
    "model": "Models",
    "engine": "The engine",
    "options": "Options",
    "texts": "Texts",
    "redact": "Redaction",
    "command_line": "The command line",
    "files": "Files",
    "evaluation": "Evaluation",
    "server": "The server",
    "integrations": "Presidio and Ray",
}


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table of Markdown; a | within a cell is escaped."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def code(value: object) -> str:
    """As code, or nothing."""
    return f"`{value}`" if value not in (None, "") else ""


def python() -> str:
    """Every public name, for mkdocstrings."""
    names = [name for name in vtag.__all__ if name != "__version__"]
    ordered = sorted(names, key=lambda name: (name != "LLM", not name[0].isupper(), name))
    return "\n".join(f"::: vtag.{name}\n" for name in [*ordered, *INTEGRATIONS])


def cli() -> str:
    """Each command: its line, and what each word means."""
    return "\n".join(part for name in COMMANDS for part in _command(name))


def _command(name: str) -> Iterator[str]:
    made = Parser(prog=f"vtag {name}", description=COMMANDS[name], add_help=False)
    parser = importlib.import_module(f"vtag.cli.{name}").parser(made)
    words = [each for each in parser._actions if not each.option_strings]
    options = [each for each in parser._actions if each.option_strings]
    line = parser.usage or " ".join([f"vtag {name}", *map(_word, words), *(["[OPTIONS]"] if options else [])])
    yield f"## vtag {name} {{ #{name} }}\n"
    says = COMMANDS[name]
    yield f"{says[0].upper()}{says[1:]}.\n"
    yield f"```text\n{line}\n```\n"
    if words + options:
        yield table(["Argument", "What it means"], [(_names(each), _help(each)) for each in words + options])
    if parser.epilog and name not in ("serve", "play"):  # the limits of the server have a page
        yield f"{parser.epilog}\n"


def _word(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest)
    return {"*": f"[{name} ...]", "+": f"{name} ...", "?": f"[{name}]"}.get(str(action.nargs), name)


def _names(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    if not action.option_strings:
        return code(action.metavar or action.dest)
    return ", ".join(code(f"{name}{value}") for name in action.option_strings)


def _help(action: argparse.Action) -> str:
    choices = f" ({', '.join(map(str, action.choices))})" if action.choices and action.metavar is None else ""
    # Options and JSON as code: braces would be read as attributes.
    return re.sub(r"(--[a-z][a-z-]+|\{.*\})", r"`\1`", (action.help or "") % vars(action)) + choices


def options() -> str:
    """The options of tagging, and where each caller writes them."""
    http = _openapi()["components"]["schemas"]["TagRequest"]["properties"]
    shown = []
    for name, says in _arguments(vtag.LLM.tag_stream).items():
        if name in engine.TAGGING:
            flag = f"`--{name.replace('_', '-')}`"
            default = inspect.signature(vtag.LLM.tag_stream).parameters[name].default
            shown.append((code(name), flag, code(name if name in http else ""), code(_default(default)), says))
    return table(["Python, and `tag_files`", "Command line", "`POST /v1/tag`", "Default", "What it does"], shown)


def engine_options() -> str:
    """The arguments of LLM, and their options on the command line."""
    of_files = {each.dest for each in _parser("run")._actions}
    of_tag = {each.dest for each in _parser("tag")._actions}
    known = _arguments(vtag.LLM)
    names = [name for name in [*known, *engine.OF_MODEL] if name not in ("model", "task", "kwargs")]
    rows = []
    for name in dict.fromkeys(names):
        flag = f"--{name.replace('_', '-')}"
        says = known.get(name) or engine.OF_MODEL[name]["help"]
        short = f"`{flag}`" if name in of_tag else f"`--engine {name}=VALUE`"
        rows.append((code(name), short, f"`{flag}`" if name in of_files else f"`--engine {name}=VALUE`", says))
    return table(["Python: `LLM(...)`", "`vtag tag`, `vtag serve`", "`vtag run`, `vtag redact`", "What it does"], rows)


def _parser(name: str) -> argparse.ArgumentParser:
    return importlib.import_module(f"vtag.cli.{name}").parser(Parser(prog=f"vtag {name}"))


def _default(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _arguments(documented: Any) -> dict[str, str]:
    """The arguments of a docstring's section Args: name -> text."""
    lines = inspect.cleandoc(documented.__doc__).split("Args:\n")[1].split("\n\n")[0].splitlines()
    found: dict[str, str] = {}
    for line in lines:
        if named := re.match(r" {4}(\w+): (.*)", line):
            found[named[1]] = named[2]
        elif found:
            found[[*found][-1]] += " " + line.strip()
    return found


def formats() -> str:
    """Each format of files."""
    return table(
        ["Name", "Extensions", "Read", "Written", "Compressed", "What it is"],
        [
            (
                code(name),
                " ".join(map(code, row.extensions)),
                "yes",
                "yes" if row.writes else "no",
                " ".join(map(code, SUFFIXES)) if row.packs else "no",
                row.says,
            )
            for name, row in FORMATS.items()
        ],
    )


def limits() -> str:
    """What a request may hold and cost: limits with an option, then those without."""
    rows: list[tuple[object, ...]] = []
    for field in fields(Limits):
        option = code(f"--max-{field.name.replace('_', '-')}")
        rows.append((LIMITS[field.name], f"{field.default:,}", option, 429 if field.name == "requests" else 413))
    rows += [(says, most, "", then) for says, (most, then) in FIXED.items()]
    return table(["Limit", "Default", "Option", "Beyond it"], rows)


def metrics() -> str:
    """vtag's metrics in /metrics."""
    from prometheus_client.metrics import MetricWrapperBase

    from vtag.serve import metrics as module

    rows = []
    for metric in vars(module).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = "{" + ", ".join(metric._labelnames) + "}" if metric._labelnames else ""
            rows.append((code(name + labels), family.type, family.documentation))
    return table(["Metric", "Type", "What it counts"], rows)


def errors() -> str:
    """Each kind of error, with an anchor."""
    parts = []
    for module in TABLES:
        name = module.__name__.rpartition(".")[2]
        parts.append(f"## {ERRORS[name]}\n")
        for kind in module.TABLE:
            row = TABLE[kind]
            about = f"{row.error.__name__}, HTTP {row.status}, exit code {row.exit_code}"
            parts.append(f"### `{kind}` {{ #{kind} }}\n\n{about}:\n\n```text\n{row.message}\n```\n")
    return "\n".join(parts)


def architectures() -> str:
    """One row a route: how it runs, and Hugging Face's `model_type`s."""
    rows = []
    for route, how in ROUTES.items():
        names = [code(name) for name, row in sorted(ARCHITECTURES.items()) if row.route == route]
        rows.append((f"{how} ({len(names)})", ", ".join(names)))
    return table(["How it runs", "Model types"], rows)


def http() -> str:
    """Each route of vtag's, and each schema."""
    described = _openapi()
    parts: list[str] = []
    group = None
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            if route["tags"][0] != group:
                group = route["tags"][0]
                parts.append(f"## {group}\n")
            parts.append(f"### `{method.upper()} {path}`\n")
            parts.append(f"{_text(route['description'])}\n")
            parts.append(table(["Body of", "Content type", "Schema"], _contents(route)))
    parts.append("## Schemas\n")
    for name, schema in described["components"]["schemas"].items():
        parts.append(f"### {name}\n")
        if schema.get("description"):
            parts.append(f"{_text(schema['description'])}\n")
        required = schema.get("required", [])
        rows = [
            (code(field), _type(of), "required" if field in required else _json(of), of.get("description", ""))
            for field, of in schema.get("properties", {}).items()
        ]
        parts.append(table(["Field", "Type", "Default", "What it is"], rows))
    return "\n".join(parts)


def report() -> str:
    """Each object of the report of `vtag eval --json`."""
    schema = json.loads((FOLDER / "evaluation.schema.json").read_text("utf-8"))
    parts = []
    for name, of in schema["$defs"].items():
        parts.append(f"## {name}\n\n{_text(of.get('description', ''))}\n")
        parts.append(table(["Field", "Type"], [(code(key), _type(each)) for key, each in of["properties"].items()]))
    return "\n".join(parts)


def files() -> str:
    """Each source file, by the first sentence of its docstring."""
    source = ROOT / "src" / "vtag"
    rows = []
    for path in sorted(source.rglob("*.py"), key=lambda path: (path.parent.parts, path.name)):
        says = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        if says:
            name = str(path.relative_to(source))
            rows.append((code(name), says.split("\n\n")[0].removesuffix(".")))
    return table(["File", "What is in it"], rows)


def _text(description: str) -> str:
    """A docstring, without a line that only Python's readers need."""
    return "\n\n".join(" ".join(part.split()) for part in description.split("\n\n"))


def _contents(route: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The body that a route takes, and that of its response."""
    for what, of in (("request", route.get("requestBody", {})), ("response", route["responses"]["200"])):
        for content_type, content in of.get("content", {}).items():
            yield what, code(content_type), _type(content.get("schema", {}))


def _json(of: dict[str, Any]) -> str:
    return code(json.dumps(of["default"])) if "default" in of else ""


def _type(of: dict[str, Any]) -> str:
    """A JSON Schema in words."""
    if "$ref" in of:
        name = of["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in of:
        return code(json.dumps(of["const"]))
    if "enum" in of:
        return " or ".join(code(json.dumps(value)) for value in of["enum"])
    if several := of.get("anyOf") or of.get("oneOf") or of.get("allOf"):
        return " or ".join(dict.fromkeys(map(_type, several)))
    if of.get("type") == "array":
        return f"list of {_type(of.get('items', {}))}"
    if of.get("type") == "object" and isinstance(of.get("additionalProperties"), dict):
        return f"object of {_type(of['additionalProperties'])}"
    return str(of.get("type", "any"))


def _openapi() -> dict[str, Any]:
    described: dict[str, Any] = json.loads((FOLDER / "openapi.json").read_text("utf-8"))
    return described


SECTIONS: dict[str, Callable[[], str]] = {
    made.__name__: made
    for made in (
        python,
        cli,
        http,
        options,
        engine_options,
        formats,
        limits,
        metrics,
        errors,
        report,
        architectures,
        files,
    )
}


def written(page: str) -> str:
    """The page with its sections as the code has them."""
    return SECTION.sub(lambda found: f"{found[1]}{found[2]}\n{SECTIONS[found[1]]()}\n", page)


def main() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        page.write_text(written(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
