"""Google's own clients for Vertex AI jobs and Cloud Logging, set up for an endpoint.

google-cloud-aiplatform's `JobServiceClient` and `PipelineServiceClient`, and google-cloud-logging's
`Client` over HTTP. They come with the extra `vertex` and are imported here only. REST unless the
endpoint speaks gRPC (see `facts.google_endpoint`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.facts.google_endpoint import Endpoint, endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

#: entries.list allows 1000 entries a page (types/logging.py of google-cloud-logging 3.17).
PAGE = 1000


def credentials(where: Endpoint) -> Any:
    """Return the caller's credentials; anonymous ones where nothing is signed.

    No login is sent in the clear. A server on this machine gets one only from a login whose own
    token endpoint is on this machine too, which is a test's.

    Raises:
        UnreadableInput: there are none.
    """
    from ftdoctor.facts.google_sign import anonymous, client_credentials

    if anonymous() or not (where.tls or (where.loopback and _login_of_this_machine())):
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials()
    return client_credentials()


def _login_of_this_machine() -> bool:
    from ftdoctor.facts.google_login import read_login
    from ftdoctor.facts.google_sign import token_endpoint

    login = read_login()
    known = login.kind in ("authorized_user", "service_account")
    return known and not login.problem and token_endpoint(login).loopback


def _channel(where: Endpoint) -> Any:
    import grpc

    return grpc.insecure_channel(where.target)


def _client(kind: Any, transports: Any, where: Endpoint) -> Any:
    """Return a client of a service of aiplatform_v1."""
    grpc = where.protocol == "grpc"
    if grpc and not where.tls:
        return kind(transport=transports["grpc"](channel=_channel(where)))
    return kind(
        credentials=credentials(where),
        transport="grpc" if grpc else "rest",
        client_options={"api_endpoint": where.target if grpc else where.url},
    )


def jobs(region: str) -> Any:
    """Return the client for custom jobs of a region."""
    from google.cloud import aiplatform_v1
    from google.cloud.aiplatform_v1.services.job_service import transports

    return _client(
        aiplatform_v1.JobServiceClient,
        transports._transport_registry,
        endpoint("aiplatform", region),
    )


def pipelines(region: str) -> Any:
    """Return the client for training pipelines of a region."""
    from google.cloud import aiplatform_v1
    from google.cloud.aiplatform_v1.services.pipeline_service import transports

    return _client(
        aiplatform_v1.PipelineServiceClient,
        transports._transport_registry,
        endpoint("aiplatform", region),
    )


def entries(project: str, wanted: str) -> Iterator[dict[str, Any]]:
    """Yield the log entries of a project that a filter wants, oldest first, as LogEntry JSON."""
    from google.cloud import logging_v2

    where = endpoint("logging")
    if where.protocol == "grpc":
        yield from _entries_grpc(where, project, wanted)
        return
    client = logging_v2.Client(
        project=project,
        credentials=credentials(where),
        client_options={"api_endpoint": where.url} if where.given else None,
        _use_grpc=False,
    )
    for entry in client.list_entries(
        resource_names=[f"projects/{project}"],
        filter_=wanted,
        order_by="timestamp asc",
        page_size=PAGE,
    ):
        yield entry.to_api_repr()


def _entries_grpc(where: Endpoint, project: str, wanted: str) -> Iterator[dict[str, Any]]:
    from google.cloud.logging_v2.services.logging_service_v2 import (
        LoggingServiceV2Client,
        transports,
    )
    from google.cloud.logging_v2.types import LogEntry
    from google.protobuf import json_format

    client = _client(LoggingServiceV2Client, transports._transport_registry, where)
    request = {
        "resource_names": [f"projects/{project}"],
        "filter": wanted,
        "order_by": "timestamp asc",
        "page_size": PAGE,
    }
    for entry in client.list_log_entries(request=request):
        found: dict[str, Any] = json_format.MessageToDict(LogEntry.pb(entry))
        yield found
