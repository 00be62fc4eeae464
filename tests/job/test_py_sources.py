"""What the readers take for granted, compared with the sources of the installed libraries."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from ftdoctor.job import py_hf_fields, py_vertex, trl_names


def tree_of(package: str, *path: str) -> ast.Module:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    file = Path(next(iter(spec.submodule_search_locations)), *path)
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    return ast.parse(file.read_text(encoding="utf-8"))


def fields(tree: ast.Module, name: str) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return {
                item.target.id
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            }
    raise AssertionError(name)


def parameters(tree: ast.Module, owner: str, function: str) -> list[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == owner:
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == function:
                    spec = item.args
                    return [a.arg for a in (*spec.args, *spec.kwonlyargs)][1:]
    raise AssertionError(f"{owner}.{function}")


def test_names_of_trl_dataclasses() -> None:
    utils = tree_of("trl", "scripts", "utils.py")
    model = tree_of("trl", "trainer", "model_config.py")
    assert fields(model, "ModelConfig") <= trl_names.MODEL
    assert fields(utils, "ScriptArguments") <= trl_names.SCRIPT
    assert fields(utils, "DatasetMixtureConfig") <= trl_names.MIXTURE


def test_arguments_of_hugging_face_jobs() -> None:
    api = tree_of("huggingface_hub", "hf_api.py")
    run = parameters(api, "HfApi", "run_job")
    uv = parameters(api, "HfApi", "run_uv_job")
    assert uv[0] == "script"
    for name in ("image", "command", "env", "secrets", "flavor", "timeout", "labels", "volumes"):
        assert name in run
    for name in ("script_args", "dependencies", "python", "image", "namespace", "name"):
        assert name in uv
    units = tree_of("huggingface_hub", "_jobs_api.py")
    table = next(
        node.value
        for node in ast.walk(units)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "time_units_factors"
    )
    assert {
        key: eval(compile(ast.Expression(value), "x", "eval"), {"__builtins__": {}})
        for key, value in _pairs(table)
    } == py_hf_fields._UNITS


def _pairs(table: ast.expr) -> list[tuple[str, ast.expr]]:
    assert isinstance(table, ast.Dict)
    return [
        (key.value, value)
        for key, value in zip(table.keys, table.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    ]


@pytest.mark.parametrize(
    ("file", "owner", "function", "first"),
    [
        (
            "jobs.py",
            "CustomJob",
            "__init__",
            ["display_name", "worker_pool_specs", "base_output_dir"],
        ),
        (
            "jobs.py",
            "CustomJob",
            "from_local_script",
            ["display_name", "script_path", "container_uri"],
        ),
        ("jobs.py", "HyperparameterTuningJob", "__init__", ["display_name", "custom_job"]),
        (
            "training_jobs.py",
            "CustomTrainingJob",
            "__init__",
            ["display_name", "script_path", "container_uri", "requirements"],
        ),
        (
            "training_jobs.py",
            "CustomContainerTrainingJob",
            "__init__",
            ["display_name", "container_uri", "command"],
        ),
        (
            "training_jobs.py",
            "CustomPythonPackageTrainingJob",
            "__init__",
            ["display_name", "python_package_gcs_uri", "python_module_name", "container_uri"],
        ),
    ],
)
def test_positions_in_the_google_sdk(
    file: str, owner: str, function: str, first: list[str]
) -> None:
    tree = tree_of("google.cloud.aiplatform", file)
    assert parameters(tree, owner, function)[: len(first)] == first


def test_settings_that_run_and_submit_take() -> None:
    tree = tree_of("google.cloud.aiplatform", "jobs.py")
    known = {*parameters(tree, "CustomJob", "run"), *parameters(tree, "CustomJob", "__init__")}
    read = {
        "service_account", "network", "timeout", "max_wait_duration", "scheduling_strategy",
        "restart_job_on_worker_restart", "labels", "project", "location", "staging_bucket",
        "base_output_dir", "persistent_resource_id", "tensorboard", "psc_interface_config",
        "enable_web_access",
    }  # fmt: skip
    assert read <= known


def test_numbers_of_accelerators() -> None:
    tree = tree_of("google.cloud.aiplatform_v1", "types", "accelerator_type.py")
    numbers = {
        item.targets[0].id: item.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == "AcceleratorType"
        for item in node.body
        if isinstance(item, ast.Assign)
        and isinstance(item.targets[0], ast.Name)
        and isinstance(item.value, ast.Constant)
    }
    assert numbers == {name: i for i, name in enumerate(py_vertex._ACCELERATORS)}
