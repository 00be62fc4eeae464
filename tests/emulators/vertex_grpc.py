"""The jobs of `vertex_jobs` over gRPC: JobService and LoggingServiceV2, for the real clients.

Method names and messages are those of google-cloud-aiplatform 2.7.0 and google-cloud-logging 3.17;
the generated clients ship no servicer, so the methods are registered by name.
"""

from __future__ import annotations

import re
from concurrent import futures
from typing import TYPE_CHECKING, Any

import grpc
from google.cloud.aiplatform_v1.types import CustomJob, job_service
from google.cloud.logging_v2.types import logging as logging_types
from google.protobuf import empty_pb2, json_format

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulators.vertex_jobs import VertexJobs

_JOBS = "google.cloud.aiplatform.v1.JobService"
_LOGS = "google.logging.v2.LoggingServiceV2"


class VertexGrpc:
    """A gRPC server on loopback; use as a context manager, `target` is host:port."""

    def __init__(self, state: VertexJobs) -> None:
        self.state = state
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        methods = {
            "CreateCustomJob": _handler(
                self._create, job_service.CreateCustomJobRequest, CustomJob
            ),
            "GetCustomJob": _handler(self._get, job_service.GetCustomJobRequest, CustomJob),
            "ListCustomJobs": _handler(
                self._list, job_service.ListCustomJobsRequest, job_service.ListCustomJobsResponse
            ),
            "CancelCustomJob": _handler(self._cancel, job_service.CancelCustomJobRequest, None),
        }
        logs = {
            "ListLogEntries": _handler(
                self._entries,
                logging_types.ListLogEntriesRequest,
                logging_types.ListLogEntriesResponse,
            )
        }
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(_JOBS, methods),
                grpc.method_handlers_generic_handler(_LOGS, logs),
            )
        )
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> VertexGrpc:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0)

    def _create(self, request: Any, context: grpc.ServicerContext) -> Any:
        if self.state.refuse is not None:
            _, name, message, _ = self.state.refuse
            context.abort(grpc.StatusCode[name], message)
        _, project, _, region = request.parent.split("/")
        body = json_format.MessageToDict(CustomJob.pb(request.custom_job))
        return self._message(self.state.make(project, region, body))

    def _number(self, request: Any, context: grpc.ServicerContext) -> str:
        number = str(request.name).rsplit("/", 1)[-1]
        if number not in self.state.jobs:
            context.abort(grpc.StatusCode.NOT_FOUND, f"CustomJob {number} is not found.")
        return number

    def _get(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._message(self.state.look(self._number(request, context)))

    def _list(self, request: Any, context: grpc.ServicerContext) -> Any:
        label = re.fullmatch(r"labels\.([a-z0-9_-]+)=([a-z0-9_-]*)", request.filter)
        found = [
            self._message(job)
            for job in self.state.jobs.values()
            if label is None or (job.get("labels") or {}).get(label[1]) == label[2]
        ]
        return job_service.ListCustomJobsResponse(custom_jobs=found)

    def _cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.state.cancel(self._number(request, context))
        return empty_pb2.Empty()

    def _entries(self, request: Any, context: grpc.ServicerContext) -> Any:
        number = re.search(r'resource\.labels\.job_id="(\d+)"', request.filter)
        answer = logging_types.ListLogEntriesResponse()
        rows = {"entries": self.state.entries(number[1]) if number else []}
        json_format.ParseDict(rows, logging_types.ListLogEntriesResponse.pb(answer))
        return answer

    def _message(self, job: dict[str, Any]) -> Any:
        message = CustomJob()
        json_format.ParseDict(job, CustomJob.pb(message))
        return message


def _handler(call: Callable[[Any, Any], Any], asked: Any, answered: Any) -> Any:
    def serialize(message: Any) -> bytes:
        return answered.serialize(message) if answered else message.SerializeToString()

    return grpc.unary_unary_rpc_method_handler(
        call, request_deserializer=asked.deserialize, response_serializer=serialize
    )
