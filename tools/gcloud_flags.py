"""Write rules/tables/gcloud_custom_jobs.json from the gcloud that is installed.

Flags come from gcloud's own completion table (data/cli/gcloud_completions.py), the keys of
`--worker-pool-spec` from its argument definition. Run with any Python that gcloud supports:

    python tools/gcloud_flags.py [ROOT_OF_GOOGLE_CLOUD_SDK]
"""

from __future__ import annotations

import ast
import datetime
import json
import shutil
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parents[1] / "rules" / "tables" / "gcloud_custom_jobs.json"
COMMANDS = {
    "ai custom-jobs create": ("ai", "custom-jobs", "create"),
    "beta ai custom-jobs create": ("beta", "ai", "custom-jobs", "create"),
    "ai custom-jobs local-run": ("ai", "custom-jobs", "local-run"),
    "ai hp-tuning-jobs create": ("ai", "hp-tuning-jobs", "create"),
    "beta ai hp-tuning-jobs create": ("beta", "ai", "hp-tuning-jobs", "create"),
}


def root_of(given: str | None) -> Path:
    if given:
        return Path(given)
    found = shutil.which("gcloud")
    if found is None:
        raise SystemExit("gcloud is not installed; give the folder of the Google Cloud SDK.")
    return Path(found).resolve().parents[1]


def completion_tree(root: Path) -> dict[str, Any]:
    text = (root / "data" / "cli" / "gcloud_completions.py").read_text("utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign):
            return ast.literal_eval(node.value)
    raise SystemExit("gcloud_completions.py has changed its form.")


def flags_of(tree: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Return {flag: kind} of a command; kind "bool" takes no value, a list names the choices."""
    node = tree
    flags: dict[str, Any] = {}
    for name in path:
        node = node["commands"][name]
    flags.update(node["flags"])
    return {name: _kind(kind) for name, kind in sorted(flags.items())}


def _kind(kind: Any) -> Any:
    return kind if isinstance(kind, (list, str)) else str(kind)


def pool_keys(root: Path) -> dict[str, str]:
    """Return the keys of `--worker-pool-spec` with their types, read from the source text."""
    path = root / "lib/googlecloudsdk/command_lib/ai/custom_jobs/flags.py"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        is_dict = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "ArgDict"
        if not is_dict:
            continue
        for keyword in node.keywords:
            if keyword.arg == "spec" and isinstance(keyword.value, ast.Dict):
                return {
                    key.value: value.id if isinstance(value, ast.Name) else "list;"
                    for key, value in zip(keyword.value.keys, keyword.value.values, strict=True)
                    if isinstance(key, ast.Constant)
                }
    raise SystemExit("the definition of --worker-pool-spec has changed its form.")


def regions(root: Path) -> list[str]:
    path = root / "lib/googlecloudsdk/command_lib/ai/constants.py"
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and any(
            getattr(t, "id", "") == "SUPPORTED_TRAINING_REGIONS" for t in node.targets
        ):
            return sorted(ast.literal_eval(node.value))
    return []


def main() -> None:
    root = root_of(sys.argv[1] if len(sys.argv) > 1 else None)
    tree = completion_tree(root)
    version = (root / "VERSION").read_text().strip()
    data = {
        "date": datetime.date.today().isoformat(),
        "source": f"Google Cloud SDK {version}: data/cli/gcloud_completions.py, "
        "command_lib/ai/custom_jobs/flags.py, command_lib/ai/constants.py",
        "gcloud_version": version,
        "global_flags": {name: _kind(kind) for name, kind in sorted(tree["flags"].items())},
        "commands": {name: flags_of(tree, path) for name, path in COMMANDS.items()},
        "worker_pool_spec": pool_keys(root),
        "training_regions": regions(root),
    }
    OUT.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", "utf-8")
    print(f"wrote {OUT} from gcloud {version}")


if __name__ == "__main__":
    main()
