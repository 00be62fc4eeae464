"""Project and region where the user did not name them: environment, then gcloud's configuration."""

from __future__ import annotations

import configparser
import os
from pathlib import Path


def folder() -> Path:
    """Return the folder in which gcloud keeps its configuration and logins.

    On Windows it is %APPDATA%\\gcloud (googlecloudsdk 528, core/config.py).
    """
    named = os.environ.get("CLOUDSDK_CONFIG")
    if named:
        return Path(named)
    if os.name == "nt" and os.environ.get("APPDATA"):
        return Path(os.environ["APPDATA"]) / "gcloud"
    return Path(os.path.expanduser("~/.config/gcloud"))


def setting(section: str, key: str) -> str:
    """Return a property of gcloud's active configuration, "" when it is not set."""
    root = folder()
    name = os.environ.get("CLOUDSDK_ACTIVE_CONFIG_NAME", "")
    try:
        name = name or (root / "active_config").read_text().strip()
    except OSError:
        name = "default"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(root / "configurations" / f"config_{name}")
        return parser.get(section, key, fallback="") or ""
    except (configparser.Error, UnicodeDecodeError):
        return ""


def _environment(*names: str) -> str:
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def project() -> str:
    """Return the project that commands here would use, "" when none is set."""
    return _environment(
        "GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT", "CLOUD_ML_PROJECT_ID"
    ) or setting("core", "project")


def region() -> str:
    """Return the Vertex AI region that commands here would use, "" when none is set."""
    return (
        _environment("CLOUDSDK_AI_REGION", "GOOGLE_CLOUD_REGION", "GOOGLE_CLOUD_LOCATION")
        or setting("ai", "region")
        or setting("compute", "region")
    )


def account() -> str:
    """Return the account of gcloud, for commands that grant a role; "" when unknown."""
    return _environment("CLOUDSDK_CORE_ACCOUNT") or setting("core", "account")
