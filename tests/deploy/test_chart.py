"""The Helm chart: rendered by Helm itself, valid for Kubernetes, and what it starts is what the program has."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.deploy.packages import DEPLOY, DRAIN_S, VERSION, check_command, check_variables, load_helm

CHART = str(DEPLOY / "chart")
KUBERNETES = "1.37"
LEAST = {
    "publicUrl": "https://images.example.com",
    "existingSecret": "imagegate",
    "storage": {"url": "s3://bucket/imagegate"},
}
MOST = {
    **LEAST,
    "storage": {**LEAST["storage"], "existingSecret": "s3", "env": {"AWS_REGION": "eu-central-1"}},  # type: ignore[dict-item]
    "image": {"repository": "registry.example.com/imagegate", "pullSecrets": [{"name": "registry"}]},
    "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
    "config": '[server]\nlog_level = "debug"\n',
    "gateway": {"podAnnotations": {"a": "b"}, "nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]},
    "worker": {
        "replicas": 5,
        "volume": {"size": "50Gi", "storageClass": "fast"},
        "podAnnotations": {"a": "b"},
        "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
    },
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/imagegate"}},
    "ingress": {"enabled": True, "className": "nginx", "host": "images.example.com", "tlsSecret": "tls"},
    "networkPolicy": {
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
        "extraEgress": [{"ports": [{"port": 8443}]}],
    },
}


def _render(values: dict[str, Any], release: str = "shop") -> dict[tuple[str, str], dict[str, Any]]:
    """The objects by kind and the last part of their name."""
    with load_helm().Chart.load(CHART) as chart:
        manifests = chart.render(values, name=release, namespace="images")
    objects = {}
    for path, text in manifests.items():
        if path.endswith(".yaml"):
            for found in yaml.safe_load_all(text):
                if found:
                    objects[found["kind"], found["metadata"]["name"].removeprefix(f"{release}-imagegate")] = found
    return objects


@pytest.fixture(scope="module")
def objects() -> dict[tuple[str, str], dict[str, Any]]:
    return _render(MOST)


PODS = {("Deployment", "-gateway"): "gateway", ("StatefulSet", "-worker"): "worker", ("Job", "-migrate"): "migrate"}


def _pod(objects: dict[tuple[str, str], dict[str, Any]], component: str) -> dict[str, Any]:
    (key,) = (key for key, name in PODS.items() if name == component)
    spec: dict[str, Any] = objects[key]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("values", [LEAST, MOST], ids=["least", "most"])
def test_objects_are_valid_for_kubernetes(values: dict[str, Any]) -> None:
    import kubernetes_validate

    rendered = _render(values)
    for found in rendered.values():
        kubernetes_validate.validate(found, KUBERNETES, strict=True)
    kinds = {kind for kind, _ in rendered}
    assert kinds >= {"Deployment", "StatefulSet", "Job", "Service", "PodDisruptionBudget", "NetworkPolicy", "ConfigMap"}
    assert ("Ingress" in kinds) == (values is MOST)


def test_chart_has_nothing_to_lint() -> None:
    """Its default values are incomplete on purpose: what says so are errors of the values, not of the chart."""
    report = load_helm().lint(CHART, MOST, strict=True, namespace="images")
    assert [one["error"] for one in report["messages"] if one["severity"] > 1 and one["path"] != "values.yaml"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"publicUrl": ""},
        {"publicUrl": "https://images.example.com/"},
        {"existingSecret": ""},
        {"storage": {"url": "/data"}},
        {"image": {"tag": "latest"}},
        {"worker": {"replicas": "two"}},
        {"workers": 2},
        {"ingress": {"enabled": True}},
        {"worker": {"terminationGracePeriodSeconds": 30}},
    ],
    ids=str,
)
def test_values_that_cannot_work_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(load_helm().HelmError):
        _render({**LEAST, **change})


@pytest.mark.parametrize("component", PODS.values())
def test_pods_are_unprivileged(component: str, objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    pod = _pod(objects, component)
    assert (pod["enableServiceLinks"], pod["automountServiceAccountToken"]) == (False, False)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == f"registry.example.com/imagegate:{VERSION}"
    assert {one["mountPath"] for one in container["volumeMounts"]} >= {"/data", "/tmp", "/run/secrets/imagegate"}
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("component", PODS.values())
def test_pods_start_what_the_program_has(component: str, objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    (container,) = _pod(objects, component)["containers"]
    env = {one["name"]: one["value"] for one in container["env"]}
    secret = {name: value for name, value in env.items() if name in ("IMAGEGATE_SECRET", "IMAGEGATE_DATABASE")}
    assert not secret, "secrets come by file"
    assert env["IMAGEGATE_SECRET_FILE"].startswith("/run/secrets/imagegate/")
    # Below the volume, whose own folder belongs to root and may be readable for others.
    assert env["IMAGEGATE_DATA"] == "/data/imagegate"
    check_variables(env)
    check_command(container["args"])


def test_workers_keep_their_spool_and_have_the_time_to_drain(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    workers = objects["StatefulSet", "-worker"]["spec"]
    (claim,) = workers["volumeClaimTemplates"]
    mounts = {one["name"]: one["mountPath"] for one in workers["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert mounts[claim["metadata"]["name"]] == "/data"
    assert workers["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert workers["template"]["spec"]["terminationGracePeriodSeconds"] == DRAIN_S
    assert workers["serviceName"] == objects["Service", "-worker"]["metadata"]["name"]
    assert objects["Service", "-worker"]["spec"]["clusterIP"] == "None"


def test_gateways_are_replaced_without_a_gap(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    gateway = objects["Deployment", "-gateway"]["spec"]
    assert gateway["replicas"] == 2
    assert gateway["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    pod = gateway["template"]["spec"]
    pause = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert 0 < pause < pod["terminationGracePeriodSeconds"]
    for component in ("gateway", "worker"):
        (container,) = _pod(objects, component)["containers"]
        probes = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
        assert probes == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
        budget = objects["PodDisruptionBudget", f"-{component}"]["spec"]
        assert budget["maxUnavailable"] == 1
        labels = {**objects["Deployment", "-gateway"]["spec"]["template"]["metadata"]["labels"]}
        labels["app.kubernetes.io/component"] = component
        assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_migration_runs_first_and_needs_nothing_of_the_chart(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    job = objects["Job", "-migrate"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    assert "serviceAccountName" not in pod
    assert not [volume for volume in pod["volumes"] if "configMap" in volume]


@pytest.mark.parametrize(
    ("change", "on_gateways", "on_workers"),
    [
        ({}, {}, {}),
        ({"ingress": MOST["ingress"]}, {"IMAGEGATE_METRICS": "false"}, {}),
        (
            {"ingress": MOST["ingress"], "metrics": {"tokenKey": "token"}},
            {"IMAGEGATE_METRICS_TOKEN_FILE": "/run/secrets/imagegate/token"},
            {"IMAGEGATE_METRICS_TOKEN_FILE": "/run/secrets/imagegate/token"},
        ),
    ],
    ids=["inside", "ingress", "token"],
)
def test_metrics_are_not_for_strangers(
    change: dict[str, Any], on_gateways: dict[str, str], on_workers: dict[str, str]
) -> None:
    rendered = _render({**LEAST, **change})
    for component, expected in (("gateway", on_gateways), ("worker", on_workers)):
        (container,) = _pod(rendered, component)["containers"]
        assert {one["name"]: one["value"] for one in container["env"] if "METRICS" in one["name"]} == expected


def test_changed_settings_restart_the_pods() -> None:
    key = ("StatefulSet", "-worker")
    sums = {
        _render({**LEAST, "config": text})[key]["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        for text in ("", "[server]\n")
    }
    assert len(sums) == 2


def test_version_of_the_chart_is_that_of_the_program() -> None:
    chart = yaml.safe_load((DEPLOY / "chart/Chart.yaml").read_text("utf-8"))
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)
