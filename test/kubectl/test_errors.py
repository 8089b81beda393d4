import pytest

from dgdr_controller.kinds import CONFIG_MAPS, REQUESTS
from dgdr_controller.kubectl.errors import ConflictError, NotFoundError, status_error


@pytest.mark.parametrize(
    ("code", "message", "sentence"),
    [
        (401, "Unauthorized", "The cluster does not accept your login: log in again"),
        (403, 'User "u" cannot get resource "x"', 'User "u" cannot get resource "x": ask the cluster\'s administrator'),
        (403, "denied by policy", "The API server rejects it: denied by policy"),
        (
            404,
            "the server could not find the requested resource",
            "The cluster does not serve dynamographdeploymentreq",
        ),
        (404, 'requests "m" not found', "DynamoGraphDeploymentRequest m does not exist in namespace team: "),
        (409, "the object has been modified", "DynamoGraphDeploymentRequest m has changed since it was read: "),
        (422, "spec.workload.isl: Invalid value", "The API server rejects it: spec.workload.isl: Invalid value"),
        (429, "too many requests", "The API server is overloaded (too many requests): try again"),
        (503, "etcd is away", "The API server answers with error 503 (etcd is away): try again"),
    ],
)
def test_error_of_the_api_server_names_cause_and_way_out(code: int, message: str, sentence: str) -> None:
    error = status_error(code, message, REQUESTS, "m", "team")
    assert error.message.startswith(sentence)
    assert error.code == code
    assert error.exit_code == 1


def test_errors_that_commands_tell_apart_have_types_of_their_own() -> None:
    assert isinstance(status_error(404, 'configmaps "x" not found', CONFIG_MAPS, "x", "n"), NotFoundError)
    assert not isinstance(status_error(404, "page not found", CONFIG_MAPS, "x", "n"), NotFoundError)
    assert isinstance(status_error(409, "", CONFIG_MAPS, "x", "n"), ConflictError)
