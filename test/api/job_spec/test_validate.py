import copy
import urllib.error
from typing import Any

import pytest
import yaml

from dgdr_api.job_spec import validate
from dgdr_api.text import MAX_REPORTED
from hack.cluster.api import Client
from test.builders.stored_requests import Requests

POD = "template.spec"
PROFILER = f"{POD}.containers[0]"
ONE_POD = "the profiling Job is one pod that writes one result"
AMOUNT = 'must be a quantity such as "500m", "1" or "8Gi"'
ENDS = "must start and end with an alphanumeric character"
DNS_LABEL = f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and {ENDS}"
SUBDOMAIN = f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and {ENDS}"
VALUE = f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and {ENDS}"
KEY = f"name part must consist of alphanumeric characters, '-', '_' or '.', and {ENDS}"
VARIABLE = "a valid environment variable name must consist only of printable ASCII characters other than '='"
GENERATED = "Forbidden: Kubernetes generates it"
INDEXED = f"Forbidden: only Indexed Jobs have it; {ONE_POD}"
STARTED = "the controller sets how it starts"
FOUND = "the controller finds its pods by this label"
ALL = 'which means "match all values and all keys"'


def pod(fields: str) -> str:
    return f"{{template: {{spec: {{{fields}}}}}}}"


def profiler(fields: str) -> str:
    return pod(f"containers: [{{name: profiler, {fields}}}]")


def tolerations(*entries: str) -> str:
    return pod(f"tolerations: [{', '.join(f'{{{fields}}}' for fields in entries)}]")


def resources(text: str) -> str:
    return profiler(f"resources: {{{text}}}")


def told(text: str) -> list[str]:
    job = yaml.safe_load(text)
    before = copy.deepcopy(job)
    found = [str(error) for error in validate(job)]
    assert job == before
    return [message.removeprefix("spec.overrides.profilingJob").removeprefix(".") for message in found]


WRONG = {
    # types
    "5": ": Invalid value: 5: must be an object",
    "[]": ": Invalid value: []: must be an object",
    "template: [1]": "template: Invalid value: [1]: must be an object",
    profiler("image: 5"): f"{PROFILER}.image: Invalid value: 5: must be a string",
    profiler("image: {a: ä}"): f'{PROFILER}.image: Invalid value: {{"a": "ä"}}: must be a string',
    profiler("args: a"): f'{PROFILER}.args: Invalid value: "a": must be a list',
    profiler("args: [1]"): f"{PROFILER}.args[0]: Invalid value: 1: must be a string",
    profiler("args: [null]"): f"{PROFILER}.args[0]: Invalid value: null: must be a string",
    pod("containers: [null]"): f"{PROFILER}: Invalid value: null: must be an object",
    pod("hostNetwork: 'true'"): f'{POD}.hostNetwork: Invalid value: "true": must be true or false',
    pod("hostNetwork: 1"): f"{POD}.hostNetwork: Invalid value: 1: must be true or false",
    "suspend: 0": "suspend: Invalid value: 0: must be true or false",
    "backoffLimit: '3'": 'backoffLimit: Invalid value: "3": must be an integer',
    "backoffLimit: true": "backoffLimit: Invalid value: true: must be an integer",
    "backoffLimit: 1.5": "backoffLimit: Invalid value: 1.5: must be an integer",
    "backoffLimit: 2147483648": "backoffLimit: Invalid value: 2147483648: must be an integer of 32 bits",
    f"activeDeadlineSeconds: {2**63}": f"activeDeadlineSeconds: Invalid value: {2**63}: must be an integer of 64 bits",
    profiler("livenessProbe: {httpGet: {port: 1.5}}"): f"{PROFILER}.livenessProbe.httpGet.port: Invalid value: 1.5: must be an integer or a string",
    profiler("livenessProbe: {httpGet: {port: 4294967296}}"): f"{PROFILER}.livenessProbe.httpGet.port: Invalid value: 4294967296: must be an integer of 32 bits",
    profiler("livenessProbe: {httpGet: {port: true}}"): f"{PROFILER}.livenessProbe.httpGet.port: Invalid value: true: must be an integer or a string",
    pod("nodeSelector: {a: 1}"): f"{POD}.nodeSelector[a]: Invalid value: 1: must be a string",
    # fields
    "bakoffLimit: 1": 'bakoffLimit: Unknown field: did you mean "backoffLimit"?',
    "zzz: null": "zzz: Unknown field",
    profiler("imagePulPolicy: Always"): f'{PROFILER}.imagePulPolicy: Unknown field: did you mean "imagePullPolicy"?',
    "template: {metadata: {name: a}}": "template.metadata.name: Unknown field",
    pod("ephemeralContainers: []"): f'{POD}.ephemeralContainers: Unknown field: did you mean "containers"?',
    pod("containers: [{image: a}]"): f"{PROFILER}.name: Required value",
    pod("containers: [{name: ''}]"): f"{PROFILER}.name: Required value",
    pod("containers: [{name: null}]"): f"{PROFILER}.name: Required value",
    profiler("env: [{value: a}]"): f"{PROFILER}.env[0].name: Required value",
    profiler("volumeMounts: [{name: a}]"): f"{PROFILER}.volumeMounts[0].mountPath: Required value",
    profiler("volumeMounts: [{mountPath: /a}]"): f"{PROFILER}.volumeMounts[0].name: Required value",
    pod("volumes: [{emptyDir: {}}]"): f"{POD}.volumes[0].name: Required value",
    pod("volumes: [{name: a, persistentVolumeClaim: {}}]"): f"{POD}.volumes[0].persistentVolumeClaim.claimName: Required value",
    # what a value may be
    profiler("imagePullPolicy: Sometimes"): f'{PROFILER}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
    pod("dnsPolicy: ''"): f'{POD}.dnsPolicy: Unsupported value: "": supported values: "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"',
    # one pod, one result
    "completionMode: Indexed": f'completionMode: Unsupported value: "Indexed": supported values: "NonIndexed" ({ONE_POD})',
    "completions: 0": f"completions: Invalid value: 0: must be greater than or equal to 1 ({ONE_POD})",
    "parallelism: 0": f"parallelism: Invalid value: 0: must be greater than or equal to 1 ({ONE_POD})",
    "parallelism: 2": f"parallelism: Invalid value: 2: must be less than or equal to 1 ({ONE_POD})",
    # what is the controller's
    pod("containers: [{name: profiler, command: [sh], args: []}]"): f"{POD}.containers[0].args: Forbidden: {STARTED}\n{POD}.containers[0].command: Forbidden: {STARTED}",
    pod("containers: [{name: profiler, volumeMounts: [{name: profiling-output, mountPath: /d}]}]"): f"{POD}.containers[0].volumeMounts[0].name: Forbidden: the profiler reads it at a fixed path",
    pod("containers: [{name: output-copier, image: a, env: []}]"): f"{POD}.containers[0].env: Forbidden: only image and resources of output-copier can be set; {STARTED}",
    pod("initContainers: [{name: output-copier, restartPolicy: Always}]"): f"{POD}.initContainers[0].restartPolicy: Forbidden: only image and resources of output-copier can be set; {STARTED}",
    pod("containers: [{name: tunnel}]"): f"{POD}.containers[0].name: Forbidden: a pod ends when all its containers do; write it into initContainers, with restartPolicy: Always",
    "suspend: true": "suspend: Forbidden: a suspended Job has no pod: the request would wait forever",
    pod("serviceAccount: a"): f"{POD}.serviceAccount: Forbidden: use serviceAccountName instead",
    pod("initContainers: [{name: profiler}]"): f"{POD}.initContainers[0].name: Forbidden: the profiler must be in containers, not in initContainers",
    pod("volumes: [{name: input, emptyDir: {}}]"): f"{POD}.volumes[0].name: Forbidden: this volume is the controller's",
    "template: {metadata: {labels: {app: x, dgdr.nvidia.com/name: y}}}": f"template.metadata.labels[app]: Forbidden: {FOUND}\ntemplate.metadata.labels[dgdr.nvidia.com/name]: Forbidden: {FOUND}",
    "backoffLimit: -1": "backoffLimit: Invalid value: -1: must be greater than or equal to 0",
    "activeDeadlineSeconds: 0": "activeDeadlineSeconds: Invalid value: 0: must be greater than or equal to 1",
    "ttlSecondsAfterFinished: -1": "ttlSecondsAfterFinished: Invalid value: -1: must be greater than or equal to 0",
    "selector: {matchLabels: {a: b}}": f"selector: {GENERATED}",
    "manualSelector: true": f"manualSelector: {GENERATED}",
    "backoffLimitPerIndex: 1": f"backoffLimitPerIndex: {INDEXED}",
    "maxFailedIndexes: 1": f"maxFailedIndexes: {INDEXED}",
    "successPolicy: {rules: []}": f"successPolicy: {INDEXED}",
    "managedBy: a.b/c": 'managedBy: Unsupported value: "a.b/c": supported values: "kubernetes.io/job-controller" (Kubernetes does not run a Job that another controller manages)',
    "podReplacementPolicy: TerminatingOrFailed": 'podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed" (two pods must not write one result)',
    pod("restartPolicy: OnFailure"): f'{POD}.restartPolicy: Unsupported value: "OnFailure": supported values: "Never" (the Job creates a new pod for each try)',
    pod("activeDeadlineSeconds: 0"): f"{POD}.activeDeadlineSeconds: Invalid value: 0: must be greater than or equal to 1",
    # what is there twice
    pod("containers: [{name: a}, {name: b}, {name: a}]"): f'{POD}.containers[2].name: Duplicate value: "a"',
    pod("volumes: [{name: a}, {name: a}]"): f'{POD}.volumes[1].name: Duplicate value: "a"',
    pod("containers: [{name: output-copier}], initContainers: [{name: b}, {name: output-copier}]"): f'{POD}.initContainers[1].name: Duplicate value: "output-copier"',
    pod("imagePullSecrets: [{}, {name: null}]"): f'{POD}.imagePullSecrets[1].name: Duplicate value: ""',
    profiler("env: [{name: A}, {name: A, value: b}]"): f'{PROFILER}.env[1].name: Duplicate value: "A"',
    profiler("volumeMounts: [{name: a, mountPath: /a}, {name: b, mountPath: /a}]"): f'{PROFILER}.volumeMounts[1].mountPath: Duplicate value: "/a"',
    profiler("ports: [{containerPort: 1}, {containerPort: 1, protocol: TCP}]"): f'{PROFILER}.ports[1]: Duplicate value: [1, "TCP"]',
    "podFailurePolicy: {rules: [{action: Ignore, onExitCodes: {operator: In, values: [1, 2, 1]}}]}": "podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 1",
    # quantities
    resources("limits: {cpu: abc}"): f'{PROFILER}.resources.limits[cpu]: Invalid value: "abc": {AMOUNT}',
    resources("limits: {cpu: ''}"): f'{PROFILER}.resources.limits[cpu]: Invalid value: "": {AMOUNT}',
    resources("limits: {cpu: 0.5}"): f"{PROFILER}.resources.limits[cpu]: Invalid value: 0.5: {AMOUNT}; quote a number with a fraction",
    resources("limits: {cpu: true}"): f"{PROFILER}.resources.limits[cpu]: Invalid value: true: {AMOUNT}",
    resources("limits: {memory: 8GB}"): f'{PROFILER}.resources.limits[memory]: Invalid value: "8GB": {AMOUNT}',
    resources("limits: {memory: 8 Gi}"): f'{PROFILER}.resources.limits[memory]: Invalid value: "8 Gi": {AMOUNT}',
    resources("limits: {memory: 1ki}"): f'{PROFILER}.resources.limits[memory]: Invalid value: "1ki": {AMOUNT}',
    resources('limits: {cpu: "1\\n"}'): f'{PROFILER}.resources.limits[cpu]: Invalid value: "1\\n": {AMOUNT}',
    resources("limits: {cpu: '1e1.5'}"): f'{PROFILER}.resources.limits[cpu]: Invalid value: "1e1.5": {AMOUNT}',
    resources("limits: {cpu: -1}"): f"{PROFILER}.resources.limits[cpu]: Invalid value: -1: must be greater than or equal to 0",
    resources("requests: {cpu: -1m}"): f'{PROFILER}.resources.requests[cpu]: Invalid value: "-1m": must be greater than or equal to 0',
    pod("resources: {limits: {cpu: a}}"): f'{POD}.resources.limits[cpu]: Invalid value: "a": {AMOUNT}',
    pod("overhead: {cpu: -1}"): f"{POD}.overhead[cpu]: Invalid value: -1: must be greater than or equal to 0",
    pod("volumes: [{name: a, emptyDir: {sizeLimit: -1Gi}}]"): f'{POD}.volumes[0].emptyDir.sizeLimit: Invalid value: "-1Gi": must be greater than or equal to 0',
    pod("volumes: [{name: a, ephemeral: {volumeClaimTemplate: {spec: {resources: {requests: {storage: x}}}}}}]"): f'{POD}.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]: Invalid value: "x": {AMOUNT}',
    # resources
    resources("limits: {gpu: 1}"): f'{PROFILER}.resources.limits[gpu]: Invalid value: "gpu": must be a standard resource for containers, or a device: vendor.com/device',
    resources("limits: {nvidia.com/gpu: 500m}"): f'{PROFILER}.resources.limits[nvidia.com/gpu]: Invalid value: "500m": must be an integer',
    resources("limits: {memory: 1Gi}, requests: {memory: 1025Mi}"): f'{PROFILER}.resources.requests[memory]: Invalid value: "1025Mi": must be less than or equal to memory limit of 1Gi',
    resources("limits: {memory: 1Gi}, requests: {memory: 1073741825}"): f"{PROFILER}.resources.requests[memory]: Invalid value: 1073741825: must be less than or equal to memory limit of 1Gi",
    resources("limits: {nvidia.com/gpu: 2}, requests: {nvidia.com/gpu: 1}"): f"{PROFILER}.resources.requests[nvidia.com/gpu]: Invalid value: 1: must be equal to nvidia.com/gpu limit of 2",
    resources("limits: {cpu: 1, hugepages-2Mi: 4Mi}, requests: {hugepages-2Mi: 2Mi}"): f'{PROFILER}.resources.requests[hugepages-2Mi]: Invalid value: "2Mi": must be equal to hugepages-2Mi limit of 4Mi',
    pod("resources: {limits: {cpu: 1}, requests: {cpu: 1001m}}"): f'{POD}.resources.requests[cpu]: Invalid value: "1001m": must be less than or equal to cpu limit of 1',
    pod("initContainers: [{name: a, resources: {limits: {gpu: 1}}}]"): f'{POD}.initContainers[0].resources.limits[gpu]: Invalid value: "gpu": must be a standard resource for containers, or a device: vendor.com/device',
    # tolerations
    tolerations("key: a, operator: Exist"): f'{POD}.tolerations[0].operator: Unsupported value: "Exist": supported values: "Equal", "Exists"',
    tolerations("key: a, operator: Gt, value: '1'"): f'{POD}.tolerations[0].operator: Unsupported value: "Gt": supported values: "Equal", "Exists"',
    tolerations("key: a, operator: Exists, value: b"): f"{POD}.tolerations[0].value: Invalid value: \"b\": must be empty when `operator` is 'Exists'",
    tolerations("operator: Exists", "value: b"): f'{POD}.tolerations[1].operator: Invalid value: "": must be Exists when `key` is empty, {ALL}',
    tolerations("operator: Equal"): f'{POD}.tolerations[0].operator: Invalid value: "Equal": must be Exists when `key` is empty, {ALL}',
    tolerations("key: a, effect: NoRun"): f'{POD}.tolerations[0].effect: Unsupported value: "NoRun": supported values: "NoExecute", "NoSchedule", "PreferNoSchedule"',
    tolerations("key: a, effect: NoSchedule, tolerationSeconds: 0"): f"{POD}.tolerations[0].effect: Invalid value: \"NoSchedule\": must be 'NoExecute' when `tolerationSeconds` is set",
    tolerations("key: a b"): f'{POD}.tolerations[0].key: Invalid value: "a b": {KEY}',
    tolerations("key: a, value: b c"): f'{POD}.tolerations[0].value: Invalid value: "b c": {VALUE}',
    # labels
    "template: {metadata: {labels: {a b: c}}}": f'template.metadata.labels[a b]: Invalid value: "a b": {KEY}',
    "template: {metadata: {labels: {a: b c}}}": f'template.metadata.labels[a]: Invalid value: "b c": {VALUE}',
    "template: {metadata: {labels: {A/b: c}}}": f'template.metadata.labels[A/b]: Invalid value: "A/b": prefix part {SUBDOMAIN}',
    "template: {metadata: {labels: {/b: c}}}": f'template.metadata.labels[/b]: Invalid value: "/b": prefix part {SUBDOMAIN}',
    "template: {metadata: {labels: {a/: c}}}": f'template.metadata.labels[a/]: Invalid value: "a/": {KEY}',
    "template: {metadata: {annotations: {a b: c}}}": f'template.metadata.annotations[a b]: Invalid value: "a b": {KEY}',
    "template: {metadata: {annotations: {a: 1}}}": "template.metadata.annotations[a]: Invalid value: 1: must be a string",
    f"template: {{metadata: {{labels: {{a: {'b' * 64}}}}}}}": f'template.metadata.labels[a]: Invalid value: "{"b" * 59}…: must be no more than 63 characters',
    pod("nodeSelector: {a: -b}"): f'{POD}.nodeSelector[a]: Invalid value: "-b": {VALUE}',
    pod("nodeSelector: {-a: b}"): f'{POD}.nodeSelector[-a]: Invalid value: "-a": {KEY}',
    pod("affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a, labelSelector: {matchLabels: {a: b c}}}]}}"): f'{POD}.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchLabels[a]: Invalid value: "b c": {VALUE}',
    # names
    pod("containers: [{name: Profiler}]"): f'{PROFILER}.name: Invalid value: "Profiler": {DNS_LABEL}',
    pod("initContainers: [{name: a.b}]"): f'{POD}.initContainers[0].name: Invalid value: "a.b": {DNS_LABEL}',
    pod(f"containers: [{{name: {'a' * 64}}}]"): f'{PROFILER}.name: Invalid value: "{"a" * 59}…: must be no more than 63 characters',
    pod("volumes: [{name: a_b}]"): f'{POD}.volumes[0].name: Invalid value: "a_b": {DNS_LABEL}',
    pod("serviceAccountName: a_b"): f'{POD}.serviceAccountName: Invalid value: "a_b": {SUBDOMAIN}',
    pod("priorityClassName: A"): f'{POD}.priorityClassName: Invalid value: "A": {SUBDOMAIN}',
    pod("runtimeClassName: a..b"): f'{POD}.runtimeClassName: Invalid value: "a..b": {SUBDOMAIN}',
    profiler("env: [{name: A=B}]"): f'{PROFILER}.env[0].name: Invalid value: "A=B": {VARIABLE}',
    profiler("env: [{name: ä}]"): f'{PROFILER}.env[0].name: Invalid value: "ä": {VARIABLE}',
    # what goes with what
    profiler("env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: a}}}]"): f'{PROFILER}.env[0].valueFrom: Invalid value: {{"fieldRef": {{"fieldPath": "a"}}}}: may not be specified when `value` is not empty',
    profiler("env: [{name: A, valueFrom: {}}]"): f"{PROFILER}.env[0].valueFrom: Invalid value: {{}}: must specify exactly one source of the value",
    pod("volumes: [{name: a, emptyDir: {}, hostPath: {path: /}}]"): f"{POD}.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
}  # fmt: skip

OURS = [
    "completionMode: Indexed",
    "completions: 0",
    "parallelism: 0",
    "parallelism: 2",
    pod("containers: [{name: profiler, command: [sh], args: []}]"),
    pod("containers: [{name: output-copier, image: a, env: []}]"),
    "suspend: true",
    pod("serviceAccount: a"),
    pod("volumes: [{name: input, emptyDir: {}}]"),
    "template: {metadata: {labels: {app: x, dgdr.nvidia.com/name: y}}}",
    "activeDeadlineSeconds: 0",
    "managedBy: a.b/c",
    "podReplacementPolicy: TerminatingOrFailed",
    pod("restartPolicy: OnFailure"),
]
"""What Kubernetes would take, and a profiling Job does not."""

RIGHT = [
    "",
    "{}",
    "template: {}",
    pod(""),
    pod("containers: []"),
    "{template: null, backoffLimit: null, completionMode: null, selector: null}",
    "{backoffLimit: 0, activeDeadlineSeconds: 1, ttlSecondsAfterFinished: 0, completions: 1, parallelism: 1, suspend: false}",
    "completionMode: NonIndexed",
    "podFailurePolicy: {rules: [{action: Ignore, onPodConditions: [{type: DisruptionTarget, status: 'True'}]}]}",
    "template: {metadata: {labels: {a: '', b.c/D_e.f: G-h_i.j}, annotations: {A.b/c: any Thing at all!}}}",
    pod("restartPolicy: Never, hostAliases: [{ip: 1.1.1.1, hostnames: [a]}], schedulerName: x"),
    pod("initContainers: [{name: a, image: b, restartPolicy: Always}], containers: [{name: output-copier}]"),
    pod("imagePullSecrets: [{name: a}, {}], serviceAccountName: a.b, nodeSelector: {a: ''}"),
    pod("volumes: [{name: profiling-output, persistentVolumeClaim: {claimName: a}}, {name: b, emptyDir: null}]"),
    pod("volumes: [{name: a, emptyDir: {medium: Memory, sizeLimit: 1Gi}}]"),
    profiler("env: [{name: A, value: ''}, {name: B}, {name: a b, valueFrom: {secretKeyRef: {name: s, key: k}}}]"),
    profiler("env: [{name: A, value: '', valueFrom: {fieldRef: {fieldPath: metadata.name}, secretKeyRef: null}}]"),
    profiler("ports: [{containerPort: 1}, {containerPort: 1, protocol: UDP}]"),
    profiler("livenessProbe: {httpGet: {port: http, httpHeaders: [{name: a, value: ''}]}}"),
    profiler("volumeMounts: [{name: a, mountPath: /a}, {name: a, mountPath: /b}]"),
    tolerations("operator: Exists", "key: a", "key: a, operator: Equal, value: b", "key: a.b/c, operator: Exists"),
    tolerations("key: a, operator: Exists, value: '', effect: NoExecute, tolerationSeconds: -1"),
    resources("limits: {cpu: 1, memory: 8Gi, ephemeral-storage: 1e3, hugepages-2Mi: 4Mi, nvidia.com/gpu: '1'}"),
    resources("requests: {cpu: 100m, memory: .5Gi, a.kubernetes.io/x: '1.5'}"),
    resources("limits: {cpu: '1', memory: 1Gi}, requests: {cpu: 1000m, memory: 1073741824}"),
    resources("limits: {cpu: 1}, requests: {memory: 9Ti}"),
    resources("limits: {cpu: '1', nvidia.com/gpu: 1000m}, requests: {cpu: null, nvidia.com/gpu: '1'}"),
    *(resources(f"limits: {{cpu: '{quantity}'}}") for quantity in ("5", "5.", "+5", "-0", "1E", "1E3", "1e-3", "1n", "0.5k")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fault"), WRONG.items(), ids=[" ".join(text.split()) for text in WRONG])
def test_wrong_part_is_named(text: str, fault: str) -> None:
    assert told(text) == fault.split("\n")


@pytest.mark.parametrize("text", RIGHT)
def test_right_part_passes(text: str) -> None:
    assert told(text) == []


def test_faults_are_told_in_the_order_of_the_document() -> None:
    text = "{zz: 1, backoffLimit: a, template: {spec: {dnsPolicy: 1, containers: [{name: A, tty: 1}, {env: [{}]}]}}}"
    assert [message.partition(": ")[0] for message in told(text)] == [
        "zz",
        "backoffLimit",
        f"{POD}.dnsPolicy",
        f"{PROFILER}.name",
        f"{PROFILER}.tty",
        f"{POD}.containers[1].env[0].name",
        f"{POD}.containers[1].name",
    ]


def test_faults_are_limited_in_number() -> None:
    job: Any = {"template": {"spec": {"containers": [5] * 100_000}}}
    assert len(validate(job)) == MAX_REPORTED
    assert len(validate({f"{index}": 1 for index in range(100)})) == MAX_REPORTED


def test_numbers_beyond_reckoning_are_no_quantities() -> None:
    for huge in ("1e999999999", "1e-999999999", "9" * 5000, 1 << 64, 1 << 5_000_000):
        amounts: Any = {"limits": {"cpu": huge}, "requests": {"cpu": 1}}
        (fault,) = validate({"template": {"spec": {"resources": amounts}}})
        assert (fault.path.partition("resources.")[2], fault.detail) == ("limits[cpu]", AMOUNT)


def test_surrogate_half_is_told_as_something_that_can_be_sent() -> None:
    job: Any = {"\ud800": 1, "template": {"metadata": {"labels": {"a": "\udfff"}}}}
    assert [str(error).encode().partition(b": ")[0] for error in validate(job, "a")] == [
        b"a.\\ud800",
        b"a.template.metadata.labels[a]",
    ]


def test_paths_begin_where_the_part_stands() -> None:
    assert [error.path for error in validate({"suspend": 1}, "here")] == ["here.suspend"]


JOB = "/apis/batch/v1/namespaces/default/jobs?dryRun=All&fieldValidation=Strict"
WHOLE = {
    "template": {
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": name, "image": "a"} for name in ("profiler", "output-copier")],
            "volumes": [{"name": "a", "emptyDir": {}}],
        }
    }
}


def laid_over(whole: Any, part: Any) -> Any:
    """A part over a Job: objects by field, lists of what has names by name, anything else in its place."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return whole | {key: laid_over(whole.get(key), value) for key, value in part.items() if value is not None}
    if isinstance(whole, list) and isinstance(part, list):
        names = {item.get("name") for item in part if isinstance(item, dict)}
        there = {item["name"]: item for item in whole}
        merged = [laid_over(there.get(item.get("name")), item) if isinstance(item, dict) else item for item in part]
        return [*merged, *(item for item in whole if item["name"] not in names)]
    return part


def admitted(api: Client, requests: Requests, text: str) -> bool:
    """Say whether the API server takes a part in a request, and in a Job."""
    part = yaml.safe_load(text)
    if part is None:
        return True
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": laid_over(WHOLE, part)}
    try:
        api.request("POST", JOB, manifest)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (400, 422):
            return False
        raise
    return requests.takes({"overrides": {"profilingJob": part}})


@pytest.mark.cluster
def test_api_server_admits_what_is_right(api: Client, requests: Requests) -> None:
    assert [text for text in RIGHT if not admitted(api, requests, text)] == []


@pytest.mark.cluster
def test_api_server_refuses_what_is_wrong(api: Client, requests: Requests) -> None:
    assert [text for text in WRONG if admitted(api, requests, text)] == OURS
