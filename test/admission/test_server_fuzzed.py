"""Thousands of mutated reviews through the running server: always an answer, never a fault of ours."""

import asyncio
import collections
import io
import json
import random
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from dgdr_api.conversion import V1ALPHA1, V1BETA1
from dgdr_api.conversion import convert as converted
from dgdr_api.names import ANNOTATION_PRESERVED, ANNOTATION_PRESERVED_STATUS
from dgdr_controller.admission.server import CONVERT, DEFAULT, MAX_REVIEW, VALIDATE

Json = Any
MANIFESTS = [
    yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[1] / "config" / "documents" / "manifests").glob("*.yaml"))
]
STRANGE: list[Json] = [
    *(None, True, False, 0, -1, 1e308, -0.5, 2**63, 2**70, "", "x", "ä" * 300, "\x00", "null", "9" * 5000),
    *([], {}, [[]], [None], {"": 1}, {"name": 5}, {"enabled": "x"}, {"status": {}}, [{"name": None}], {"$patch": 1}),
]
NAMES = [
    "spec",
    "metadata",
    "status",
    "annotations",
    "profilingConfig",
    "config",
    "overrides",
    "dgd",
    "name",
    "features",
]


def fresh(document: Json) -> Json:
    return json.loads(json.dumps(document))


def convert(written: dict[str, Json]) -> Json:
    return fresh(converted(written, V1BETA1))


def reviews(rng: random.Random) -> Iterator[tuple[str, Json]]:
    """Yield paths and good bodies, for ever."""
    while True:
        written = rng.choice(MANIFESTS)
        stored = convert(written)
        other = convert(rng.choice(MANIFESTS))
        old = rng.choice([None, stored, other, {**other, "status": {"phase": rng.choice(["Ready", "Failed", 5])}}])
        yield rng.choice([VALIDATE, VALIDATE, DEFAULT]), admission(stored, old)
        wanted = rng.choice([V1ALPHA1, V1BETA1])
        objects = [rng.choice([written, stored, other]) for _ in range(rng.randrange(4))]
        request = {"uid": "u", "desiredAPIVersion": wanted, "objects": fresh(objects)}
        yield CONVERT, {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}


def admission(new: Json, old: Json = None) -> Json:
    request = {
        "uid": "u",
        "kind": {"group": "nvidia.com", "version": "v1beta1", "kind": "DynamoGraphDeploymentRequest"},
        "name": "r",
        "operation": "CREATE" if old is None else "UPDATE",
        "object": fresh(new),
        "oldObject": fresh(old),
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def places(value: Json) -> list[tuple[Json, Any]]:
    """Return every place in a document, as what holds it and its key there."""
    found: list[tuple[Json, Any]] = []
    waiting = [value]
    while waiting:
        here = waiting.pop()
        for key in here if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ():
            found.append((here, key))
            waiting.append(here[key])
    return found


def mutated(body: Json, rng: random.Random) -> bytes:
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        holder, key = rng.choice(places(body))
        match rng.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[rng.choice(NAMES)] = fresh(holder[key])
            case 2:
                holder[key] = nested(holder[key], rng.choice([1, 5, 99, 250]))
            case 3:
                source, name = rng.choice(places(body))
                holder[key] = fresh(source[name])
            case _:
                holder[key] = fresh(rng.choice(STRANGE))
    text = json.dumps(body).encode()
    if rng.random() < 0.1:
        cut = rng.randrange(len(text))
        text = rng.choice([text[:cut], text[:cut] + bytes([rng.randrange(256)]) + text[cut + 1 :], b"\xff" + text])
    return text


def nested(value: Json, levels: int) -> Json:
    for _ in range(levels):
        value = {"a": value} if levels % 2 else [value]
    return value


def checked(path: str, text: bytes, status: int, answer: bytes) -> str:
    """Check an answer, and return of which sort it is."""
    assert status in (200, 400), (status, path, text[:2000])
    if status == 400:
        assert answer.strip()
        return "unreadable"
    response = json.loads(answer)["response"]
    assert response["uid"] == json.loads(text)["request"]["uid"]
    if path == CONVERT:
        if response["result"]["status"] == "Failure":
            assert response["result"]["message"]
            return "not converted"
        assert len(response["convertedObjects"]) == len(json.loads(text)["request"]["objects"])
        return "converted"
    if response["allowed"]:
        return "allowed"
    causes = response["status"]["details"]["causes"]
    assert causes
    assert all(cause["field"] and cause["message"] for cause in causes), causes
    return "refused"


@pytest.fixture
def post(webhooks: Any) -> Callable[[list[tuple[str, bytes]]], list[tuple[int, bytes]]]:
    """Send bodies to the server, some at a time; return status and answer of each."""

    def send(sent: list[tuple[str, bytes]]) -> list[tuple[int, bytes]]:
        return asyncio.run(_all(sent))

    async def _all(sent: list[tuple[str, bytes]]) -> list[tuple[int, bytes]]:
        trusting = ssl.create_default_context(cadata=webhooks.bundle.decode())
        limit = asyncio.Semaphore(8)
        async with aiohttp.ClientSession(f"https://localhost:{webhooks.port}", trust_env=False) as session:

            async def one(path: str, body: bytes) -> tuple[int, bytes]:
                headers = {"Content-Type": "application/json"}
                async with limit, session.post(path, data=io.BytesIO(body), headers=headers, ssl=trusting) as response:
                    return response.status, await response.read()

            answers = await asyncio.gather(*(one(path, body) for path, body in sent))
        await asyncio.sleep(0.1)  # connections with TLS end a moment after they were closed
        return answers

    return send


def answered(post: Any, count: int) -> None:
    """Have reviews answered: the first of a sequence that is the same in every run."""
    rng = random.Random(20261121)  # noqa: S311 - repeatable on purpose
    good = reviews(rng)
    sorts: collections.Counter[str] = collections.Counter()
    for _ in range(count // 500):
        sent = [(path, mutated(body, rng)) for path, body in (next(good) for _ in range(500))]
        for (path, text), (status, answer) in zip(sent, post(sent), strict=True):
            sorts[checked(path, text, status, answer)] += 1
    assert sorts.total() == count
    known = ("allowed", "refused", "converted", "not converted", "unreadable")
    assert min(sorts[sort] for sort in known) > count / 100, sorts


def test_two_thousand_mutated_reviews_are_answered(post: Any) -> None:
    """With every sort of answer many times; `make test-slow` has five times as many."""
    answered(post, 2_000)


@pytest.mark.slow
def test_ten_thousand_mutated_reviews_are_answered(post: Any) -> None:
    answered(post, 10_000)


def test_review_that_is_too_large_or_too_deep_is_refused_by_limit(post: Any) -> None:
    large = json.dumps(admission({"spec": "x" * MAX_REVIEW})).encode()
    deep = json.dumps(admission({})).encode().replace(b'"object": {}', b'"object": ' + b"[" * 10**5 + b"]" * 10**5)
    deeper = json.dumps(admission({**MANIFESTS[0], "spec": {"overrides": nested(1, 400)}})).encode()
    found = post([(VALIDATE, large), (VALIDATE, deep), (VALIDATE, deeper), (CONVERT, b"{}"), (VALIDATE, b"")])
    assert [status for status, _ in found] == [413, 400, 200, 400, 400]
    assert b"7340032 bytes" in found[0][1]
    assert b"more than 100 levels deep" in found[2][1]


@pytest.mark.parametrize("text", [r'{"backend":"\ud800"}', '{"backend":NaN}', '{"backend":1e999}'])
@pytest.mark.parametrize("name", [ANNOTATION_PRESERVED, ANNOTATION_PRESERVED_STATUS])
def test_annotation_of_one_request_breaks_no_list(post: Any, name: str, text: str) -> None:
    stored = convert(MANIFESTS[0]) | {"metadata": {"name": "r", "annotations": {name: text}}, "status": {}}
    request = {"uid": "u", "desiredAPIVersion": V1ALPHA1, "objects": [stored, convert(MANIFESTS[0])]}
    listed = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}
    bodies = [(VALIDATE, json.dumps(admission(stored)).encode()), (CONVERT, json.dumps(listed).encode())]
    (judged, _), (status, answer) = post(bodies)
    assert (judged, status) == (200, 200), answer
    response = json.loads(answer)["response"]
    assert response["result"] == {"status": "Success"}
    assert response["convertedObjects"][0]["metadata"]["annotations"][name] == text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"apiVersion": "admission.k8s.io/v1beta1"}, "expected admission.k8s.io/v1 AdmissionReview"),
        ({"kind": "TokenReview"}, "expected admission.k8s.io/v1 AdmissionReview"),
        ({"request": None}, "no AdmissionReview"),
        ({"request": {"uid": "u", "operation": "CREATE", "kind": {"kind": "Pod", "version": "v1"}}}, "got /v1 Pod"),
    ],
)
def test_review_of_something_else_is_refused_with_the_reason(post: Any, change: Json, reason: str) -> None:
    ((status, answer),) = post([(VALIDATE, json.dumps(admission({}) | change).encode())])
    assert (status, reason in answer.decode()) == (400, True), answer


def test_deletion_is_admitted_unseen(post: Any) -> None:
    review = admission({})
    review["request"] |= {"operation": "DELETE", "object": None, "oldObject": {}}
    ((status, answer),) = post([(VALIDATE, json.dumps(review).encode())])
    assert status == 200
    assert json.loads(answer)["response"] == {"uid": "u", "allowed": True}
