"""Custom jobs over gRPC, for an endpoint that speaks nothing else; by Google's own client.

Errors come as google.api_core exceptions; their code, text and ErrorInfo are put into the form of
REST, so that both are read by the same rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.facts.google_refusal import Refused, refused
from ftdoctor.facts.value import Unknown

if TYPE_CHECKING:
    from ftdoctor.facts.google_call import Answer, Caller
    from ftdoctor.facts.google_endpoint import Endpoint


def channel(place: Endpoint, token: str = "", pays: str = "") -> Any:
    """Return a gRPC channel; without TLS only on this machine, where a token goes along."""
    import grpc

    pairs = [("authorization", f"Bearer {token}")] if token else []
    pairs += [("x-goog-user-project", pays)] if pays else []
    if place.tls:
        link = grpc.secure_channel(place.target, grpc.ssl_channel_credentials())
    else:
        link = grpc.insecure_channel(place.target)
    return grpc.intercept_channel(link, _signing(pairs)) if pairs else link


def _signing(pairs: list[tuple[str, str]]) -> Any:
    """Return an interceptor that adds metadata to every call."""
    import grpc

    class Signing(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]
        """Adds the signature."""

        def intercept_unary_unary(self, go_on: Any, details: Any, request: Any) -> Any:
            """Call with the signature added."""
            metadata = [*(details.metadata or ()), *pairs]
            return go_on(details._replace(metadata=metadata), request)

    return Signing()


def list_jobs(caller: Caller, place: Endpoint, path: str) -> Answer | Refused | Unknown:
    """Answer `GET .../customJobs?pageSize=1` of REST over gRPC; other paths are not asked."""
    from ftdoctor.facts.google_call import Answer

    parent, _, kind = path.removeprefix("/v1/").partition("?")[0].rpartition("/")
    call = f"google.cloud.aiplatform.v1.JobService/ListCustomJobs {place.target}"
    if kind != "customJobs":
        return Unknown(f"{place.target} speaks gRPC only, and this question is REST", call)
    ready = caller.headers(place)
    if not isinstance(ready, dict):
        return ready
    from google.api_core import exceptions
    from google.cloud import aiplatform_v1
    from google.cloud.aiplatform_v1.services.job_service.transports import JobServiceGrpcTransport

    token = ready.get("Authorization", "").removeprefix("Bearer ")
    link = channel(place, token, ready.get("x-goog-user-project", ""))
    client = aiplatform_v1.JobServiceClient(transport=JobServiceGrpcTransport(channel=link))
    request = {"parent": parent, "page_size": 1}
    try:
        client.list_custom_jobs(request=request, timeout=8, retry=None)
    except exceptions.GoogleAPICallError as error:
        return refused(*as_rest(error), call)
    finally:
        link.close()
    return Answer({}, call)


def as_rest(error: Any) -> tuple[int, dict[str, Any]]:
    """Return (HTTP status, body) of an exception of google.api_core."""
    status = int(getattr(error, "code", None) or 500)
    grpc_code = getattr(error, "grpc_status_code", None)
    body: dict[str, Any] = {
        "code": status,
        "message": str(getattr(error, "message", error)),
        "status": grpc_code.name if grpc_code is not None else "",
    }
    reason = getattr(error, "reason", None)
    details: list[dict[str, Any]] = []
    if reason:
        details.append({"reason": reason, "metadata": dict(getattr(error, "metadata", None) or {})})
    for detail in getattr(error, "details", None) or ():
        rows = getattr(detail, "violations", None)
        if rows is not None:
            details.append({"violations": [{"type": getattr(row, "type", "")} for row in rows]})
        links = getattr(detail, "links", None)
        if links is not None:
            details.append({"links": [{"url": link.url} for link in links]})
    body["details"] = details
    return status, {"error": body}
