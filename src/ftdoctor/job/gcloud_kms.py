"""The encryption key that gcloud's flags --kms-key, --kms-keyring, ... name together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.value import known, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.job.value import Value


def key_name(
    flag: Callable[[str], Value[str] | None], project: Value[str] | None
) -> Value[str] | None:
    """Return the full name of the key, None when there is no --kms-key.

    A bare name stands in a key ring, of the job's project where no other is named
    (https://cloud.google.com/sdk/gcloud/reference/ai/custom-jobs/create).
    """
    key = flag("--kms-key")
    if key is None or not key.known or str(key.value).startswith("projects/"):
        return key
    parts = [flag("--kms-project") or project, flag("--kms-location"), flag("--kms-keyring")]
    texts = [part.value for part in parts if part is not None and part.known]
    if len(texts) < len(parts):
        return unknown("its project, location or key ring is not known", key.place)
    ring = f"projects/{texts[0]}/locations/{texts[1]}/keyRings/{texts[2]}"
    return known(f"{ring}/cryptoKeys/{key.value}", key.place)
