"""JobService and LoggingServiceV2 over gRPC on loopback, answering as the REST emulator does.

A generic handler by method name, with the messages of google-cloud-aiplatform and
google-cloud-logging; errors carry google.rpc.Status with ErrorInfo in `grpc-status-details-bin`,
as Google's servers send them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
from google.cloud import aiplatform_v1
from google.cloud.logging_v2.types import ListLogEntriesResponse
from google.protobuf import any_pb2, json_format
from google.rpc import error_details_pb2, status_pb2

from tests.emulators.google_bodies import error
from tests.emulators.google_routes import ROUTES

if TYPE_CHECKING:
    from tests.emulators.google_state import GoogleState

_CODES = {code.name: code for code in grpc.StatusCode}


def _abort(context: Any, body: dict[str, Any]) -> None:
    """End the call with an error body of REST, turned into google.rpc.Status."""
    found = body["error"]
    code = _CODES.get(found.get("status", ""), grpc.StatusCode.UNKNOWN)
    status = status_pb2.Status(code=code.value[0], message=found["message"])
    for row in found.get("details", ()):
        detail = any_pb2.Any()
        detail.Pack(
            error_details_pb2.ErrorInfo(
                reason=row["reason"], domain=row["domain"], metadata=row.get("metadata", {})
            )
        )
        status.details.append(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, found["message"])


class _Service(grpc.GenericRpcHandler):
    """Answers by method name."""

    def __init__(self, state: GoogleState) -> None:
        self.state = state

    def service(self, details: Any) -> Any:
        method = details.method.rsplit("/", 1)[-1]
        found = {
            "ListCustomJobs": (self._list, aiplatform_v1.ListCustomJobsRequest),
            "GetCustomJob": (self._get, aiplatform_v1.GetCustomJobRequest),
            "ListLogEntries": (self._entries, None),
        }.get(method)
        if found is None:
            return None
        self.state.seen.append(f"grpc {method}")
        metadata = {pair.key: pair.value for pair in details.invocation_metadata}
        self.state.signed.append(str(metadata.get("authorization", "")))
        answer, kind = found

        def handle(raw: bytes, context: Any) -> bytes:
            request = kind.deserialize(raw) if kind is not None else None
            done: bytes = answer(request, context)
            return done

        return grpc.unary_unary_rpc_method_handler(handle)

    def _rest(self, path: str, context: Any) -> Any:
        import re

        if self.state.token_expired:
            _abort(context, error(401, "UNAUTHENTICATED", "invalid", "ACCESS_TOKEN_EXPIRED")[1])
        for pattern, route in ROUTES:
            match = re.fullmatch(pattern, path)
            if match:
                status, body = route(self.state, match, {}, {})
                if status >= 400:
                    _abort(context, body)
                return body
        return None

    def _list(self, request: Any, context: Any) -> bytes:
        body = self._rest(f"/v1/{request.parent}/customJobs", context)
        kind = aiplatform_v1.ListCustomJobsResponse
        return bytes(kind.serialize(_message(kind, body)))

    def _get(self, request: Any, context: Any) -> bytes:
        body = self._rest(f"/v1/{request.name}", context)
        kind = aiplatform_v1.CustomJob
        return bytes(kind.serialize(_message(kind, body)))

    def _entries(self, _request: Any, _context: Any) -> bytes:
        kind = ListLogEntriesResponse
        return bytes(kind.serialize(_message(kind, {"entries": self.state.entries})))


def _message(kind: Any, body: dict[str, Any]) -> Any:
    """A message of proto-plus from REST's JSON."""
    return kind(json_format.ParseDict(body, kind.pb(kind()), ignore_unknown_fields=True))


def serve(state: GoogleState) -> tuple[Any, str]:
    """Start it; returns (server, "localhost:PORT"). Stop it with `server.stop(None)`."""
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((_Service(state),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"localhost:{port}"
