"""The fields of a Vertex AI custom job as its JSON names them.

Source: google-cloud-aiplatform 1.x, aiplatform_v1/types/custom_job.py, machine_resources.py and
hyperparameter_tuning_job.py (read from the message descriptors), with the two extra machine fields
of v1beta1.
"""

from __future__ import annotations

#: Key -> fields below it; None = anything may stand below.
JOB_SPEC: dict[str, dict[str, object] | None] = {
    "persistentResourceId": None,
    "workerPoolSpecs": None,
    "scheduling": {
        "timeout": None,
        "restartJobOnWorkerRestart": None,
        "strategy": None,
        "disableRetries": None,
        "maxWaitDuration": None,
    },
    "serviceAccount": None,
    "network": None,
    "reservedIpRanges": None,
    "pscInterfaceConfig": None,
    "baseOutputDirectory": {"outputUriPrefix": None},
    "protectedArtifactLocationId": None,
    "tensorboard": None,
    "enableWebAccess": None,
    "enableDashboardAccess": None,
    "experiment": None,
    "experimentRun": None,
    "models": None,
}

POOL: dict[str, dict[str, object] | None] = {
    "machineSpec": {
        "machineType": None,
        "acceleratorType": None,
        "acceleratorCount": None,
        "gpuPartitionSize": None,
        "tpuTopology": None,
        "multihostGpuNodeCount": None,
        "minGpuDriverVersion": None,
        "reservationAffinity": {"reservationAffinityType": None, "key": None, "values": None},
    },
    "replicaCount": None,
    "nfsMounts": None,
    "lustreMounts": None,
    "diskSpec": {"bootDiskType": None, "bootDiskSizeGb": None},
    "containerSpec": {"imageUri": None, "command": None, "args": None, "env": None},
    "pythonPackageSpec": {
        "executorImageUri": None,
        "packageUris": None,
        "pythonModule": None,
        "args": None,
        "env": None,
    },
}

#: What belongs around a job spec (CustomJob, HyperparameterTuningJob), not into it.
AROUND = {
    "displayName",
    "jobSpec",
    "labels",
    "encryptionSpec",
    "name",
    "studySpec",
    "trialJobSpec",
    "maxTrialCount",
    "parallelTrialCount",
    "maxFailedTrialCount",
}


def camel(key: str) -> str:
    """Return the JSON name of a key: `worker_pool_specs` -> `workerPoolSpecs`."""
    if "_" not in key and "-" not in key:
        return key
    first, *rest = [part for part in key.replace("-", "_").split("_") if part] or [key]
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
