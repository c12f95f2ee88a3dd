"""The Helm chart: rendered by Helm's own code, held against Kubernetes' schemas and against the code it deploys."""

import json
import os
import re
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from salient.interfaces import probes
from salient.interfaces.cli import cli
from salient.settings import Settings
from salient.work import MAIN, OCR
from salient.work import metrics as work_metrics

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "salient"
VALUES = {file.stem.removesuffix("-values"): file for file in sorted(CHART.glob("ci/*.yaml"))}
# The oldest that Chart.yaml allows, the newest there are schemas for, and some between.
KUBERNETES = ["1.25", "1.28", "1.31", "1.34", kubernetes_validate.latest_version()]
# Of operators, not of Kubernetes: there are no schemas.
FOREIGN = {"ScaledObject", "ServiceMonitor", "PodMonitor"}
ROLES = {"api": "serve", "worker": "worker", "beat": "beat", "migrate": "migrate"}


def render(values, name="demo", namespace="prod"):
    with helm.Chart.load(str(CHART)) as chart:
        files = chart.render(values, name=name, namespace=namespace)
    return [
        document
        for file, text in files.items()
        if file.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document
    ]


def values_of(case):
    return yaml.safe_load(VALUES[case].read_text("utf-8"))


@pytest.fixture(params=VALUES)
def case(request):
    return request.param


@pytest.fixture
def manifests(case):
    return render(values_of(case))


def kind(manifests, *kinds):
    return [m for m in manifests if m["kind"] in kinds]


def pods(manifests):
    """Name, labels and spec of every pod that would run."""
    for m in manifests:
        if m["kind"] in ("Deployment", "Job"):
            template = m["spec"]["template"]
            yield m["metadata"]["name"], template["metadata"]["labels"], template["spec"]
        elif m["kind"] == "Pod":
            yield m["metadata"]["name"], m["metadata"]["labels"], m["spec"]


def containers(manifests):
    for name, _, spec in pods(manifests):
        for container in spec["containers"]:
            yield name, container


def chosen(selector, labels):
    return selector["matchLabels"].items() <= labels.items()


def test_nothing_is_found_by_lint(case):
    found = helm.lint(str(CHART), values_of(case), strict=True)
    complaints = [m for m in found["messages"] if "icon" not in m["error"]]
    assert (complaints, found["errors"]) == ([], [])


@pytest.mark.parametrize("version", KUBERNETES)
def test_manifests_are_valid_for_kubernetes(case, version):
    manifests = render(values_of(case))
    assert len(manifests) > 8
    for manifest in manifests:
        if manifest["kind"] not in FOREIGN:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_what_is_not_valid_is_seen():
    (deployment, *_) = kind(render(values_of("inline")), "Deployment")
    deployment["spec"]["replicaz"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.30", strict=True)


def test_names_are_unique_and_every_object_is_in_the_namespace(manifests):
    names = [(m["kind"], m["metadata"]["name"]) for m in manifests]
    assert len(names) == len(set(names))
    assert {m["metadata"]["namespace"] for m in manifests} == {"prod"}


def test_long_names_stay_within_what_kubernetes_takes():
    manifests = render(values_of("secrets"), name="r" * 53)
    assert all(len(m["metadata"]["name"]) <= 63 for m in manifests)
    assert all(len(v) <= 63 for m in manifests for v in m["metadata"]["labels"].values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stores": {"tables": {"url": ""}}}, "stores.tables"),
        ({"work": {"url": ""}}, "work needs a url"),
        ({"work": {"url": "processes:4"}}, "work"),
        ({"worker": {"replicas": -1}}, "replicas"),
        ({"storez": {}}, "storez"),
        ({"settings": {"SALIENT_WEB__PORT": 1}}, "SALIENT_WEB__PORT"),
        ({"ingress": {"enabled": True}}, "ingress.hosts"),
        ({"autoscaling": {"by": "hope"}}, "by"),
    ],
)
def test_wrong_values_are_refused_with_their_names(change, said):
    values = values_of("inline")
    for name, inner in change.items():
        values[name] = {**values.get(name, {}), **inner}
    with pytest.raises(helm.HelmError, match=re.escape(said)):
        render(values)


def test_every_role_is_started_by_a_verb_of_the_command_line_with_options_that_it_has(manifests):
    verbs = get_command(cli).commands
    seen = set()
    for name, container in containers(manifests):
        first, *rest = container["args"]
        if first == "check":
            continue
        verb = verbs[ROLES[first]]
        options = {o for p in verb.params for o in p.opts}
        assert {word for word in rest if word.startswith("-")} <= options, name
        if "--queues" in rest:
            assert set(rest[rest.index("--queues") + 1].split(",")) <= {MAIN, OCR}
        seen.add(first)
    assert seen == {"api", "worker", "beat", "migrate"}


def test_every_queue_has_workers(manifests):
    taken = set()
    for _, container in containers(manifests):
        args = container["args"]
        if args[0] == "worker":
            taken |= set(args[args.index("--queues") + 1].split(","))
    assert taken == {MAIN, OCR}


def test_settings_are_real_and_take_the_values(manifests, monkeypatch):
    samples = {
        "SALIENT_STORAGE__TABLES": "postgresql://u@h/d?schema=s",
        "SALIENT_STORAGE__RECORDS": "mongodb://h/d",
        "SALIENT_STORAGE__BLOBS": "s3://bucket",
        "SALIENT_STORAGE__CACHE": "redis://h:6379/1",
        "SALIENT_STORAGE__SEARCH": "opensearch://h:9200?index={workspace}-{index}",
        "SALIENT_WORK__ON": "celery:redis://h:6379/0",
        "SALIENT_WEB__TOKEN": "secret",
    }
    for name, container in containers(manifests):
        for variable in [v for v in os.environ if v.startswith("SALIENT_")]:
            monkeypatch.delenv(variable)
        for entry in container.get("env", []):
            value = entry["value"] if "value" in entry else samples[entry["name"]]
            monkeypatch.setenv(entry["name"], value)
        settings = Settings()
        if container["args"][0] == "worker":
            assert settings.work.on.startswith("celery:"), name


def test_settings_of_values_arrive(monkeypatch):
    (api, *_) = [
        c for n, c in containers(render(values_of("secrets"))) if n == "demo-salient-api"
    ]  # fmt: skip
    for entry in api["env"]:
        if "value" in entry:
            monkeypatch.setenv(entry["name"], entry["value"])
    settings = Settings()
    assert settings.log.level == "DEBUG"
    assert settings.work.hang_s == 600
    assert settings.work.batch_s == 5.5
    assert settings.work.modules == ("mine.functions",)
    assert settings.limits.max_pages == 100
    assert settings.work.ocr_pool
    assert {"salient.example", "demo-salient", "demo-salient.prod.svc"} <= set(settings.web.hosts)


def test_secrets_are_nowhere_but_in_secrets(manifests):
    for manifest in manifests:
        if manifest["kind"] != "Secret":
            assert "pw-" not in json.dumps(manifest), manifest["metadata"]["name"]


def test_secrets_that_pods_want_are_made_or_named_in_values(case, manifests):
    made = {m["metadata"]["name"]: set(m["stringData"]) for m in kind(manifests, "Secret")}
    given = json.dumps(values_of(case))
    for name, container in containers(manifests):
        for entry in container.get("env", []):
            if "valueFrom" in entry:
                wanted = entry["valueFrom"]["secretKeyRef"]
                if wanted["name"] in made:
                    assert wanted["key"] in made[wanted["name"]], (name, entry["name"])
                else:
                    assert f'"{wanted["name"]}"' in given, (name, entry["name"])


def test_the_hook_needs_nothing_that_is_not_there_before_the_chart(manifests):
    def is_hook(m):
        return "pre-install" in m["metadata"].get("annotations", {}).get("helm.sh/hook", "")

    (job,) = kind(manifests, "Job")
    assert is_hook(job)
    early = {m["metadata"]["name"] for m in kind(manifests, "Secret") if is_hook(m)}
    late = {m["metadata"]["name"] for m in kind(manifests, "Secret") if not is_hook(m)}
    spec = job["spec"]["template"]["spec"]
    wanted = {
        e["valueFrom"]["secretKeyRef"]["name"]
        for e in spec["containers"][0]["env"]
        if "valueFrom" in e
    }
    assert not wanted & (late - early)
    made = {m["metadata"]["name"] for m in kind(manifests, "ServiceAccount")}
    assert spec["serviceAccountName"] not in made
    for secret in kind(manifests, "Secret"):
        if is_hook(secret):
            weights = [m["metadata"]["annotations"]["helm.sh/hook-weight"] for m in (secret, job)]
            assert int(weights[0]) < int(weights[1])


def test_selectors_choose_the_pods_they_are_meant_for(manifests):
    labels = {name: labels for name, labels, _ in pods(manifests)}
    for deployment in kind(manifests, "Deployment"):
        name = deployment["metadata"]["name"]
        found = [n for n, ls in labels.items() if chosen(deployment["spec"]["selector"], ls)]
        assert found == [name]
    (service,) = kind(manifests, "Service")
    found = [n for n, ls in labels.items() if service["spec"]["selector"].items() <= ls.items()]
    assert [n.rpartition("-")[2] for n in found] == ["api"]
    for budget in kind(manifests, "PodDisruptionBudget"):
        found = [n for n, ls in labels.items() if chosen(budget["spec"]["selector"], ls)]
        assert found == [budget["metadata"]["name"]]
    for scaler in kind(manifests, "HorizontalPodAutoscaler", "ScaledObject"):
        assert scaler["spec"]["scaleTargetRef"]["name"] in labels
    for monitor in kind(manifests, "ServiceMonitor"):
        assert chosen(monitor["spec"]["selector"], service["metadata"]["labels"])


def test_pods_are_asked_what_their_roles_answer(manifests):
    for name, container in containers(manifests):
        if container["args"][0] in ("api", "worker", "beat"):
            ports = {p["name"]: p["containerPort"] for p in container["ports"]}
            paths = {}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = container[probe]["httpGet"]
                assert ports[asked["port"]] == 8080, name
                paths[probe] = asked["path"]
            assert set(paths.values()) <= set(probes.PATHS)
            assert (paths["livenessProbe"], paths["readinessProbe"]) == ("/health", "/ready")


def test_pods_may_do_nothing_that_they_need_not(manifests):
    for name, _, spec in pods(manifests):
        assert spec["automountServiceAccountToken"] is False, name
        assert not spec.get("hostNetwork")
        assert not any("hostPath" in v for v in spec.get("volumes", []))
    for name, container in containers(manifests):
        security = container["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {"requests", "limits"} <= set(container["resources"])
        if container["args"][0] != "check":
            assert {m["mountPath"] for m in container["volumeMounts"]} == {"/tmp", "/data"}


def test_a_worker_has_time_for_what_it_is_at(manifests):
    defaults = Settings.model_construct()
    longest_s = defaults.work.batch_s + defaults.limits.time_s
    for name, labels, spec in pods(manifests):
        if labels["app.kubernetes.io/component"].startswith("worker"):
            assert spec["terminationGracePeriodSeconds"] > longest_s, name


def test_the_network_lets_through_what_is_needed_and_no_more():
    manifests = render(values_of("inline"))
    policies = kind(manifests, "NetworkPolicy")
    for name, labels, _ in pods(manifests):
        ours = [p["spec"] for p in policies if chosen(p["spec"]["podSelector"], labels)]
        assert any("Ingress" in p["policyTypes"] for p in ours), name
        allowed = {
            (port["protocol"], port["port"])
            for p in ours
            for rule in p.get("egress", [])
            for port in rule["ports"]
        }
        for url in values_of("inline")["stores"].values():
            for port in re.findall(r":(\d+)", url["url"]):
                assert ("TCP", int(port)) in allowed
        assert ("UDP", 53) in allowed
        comes_in = [rule for p in ours for rule in p.get("ingress", [])]
        is_api = labels["app.kubernetes.io/component"] == "api"
        assert bool(comes_in) == is_api, name


def test_the_network_lets_nobody_in_but_those_who_are_named():
    manifests = render(values_of("secrets"))
    for policy in kind(manifests, "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            assert rule["from"]
            assert [p["port"] for p in rule["ports"]] == [8080]
    (api,) = [p for p in kind(manifests, "NetworkPolicy") if p["metadata"]["name"].endswith("-api")]
    test_labels = next(ls for n, ls, _ in pods(manifests) if n.endswith("-test"))
    allowed = [p["podSelector"] for r in api["spec"]["ingress"] for p in r["from"] if "podSelector" in p]  # fmt: skip
    assert any(chosen(selector, test_labels) for selector in allowed)


def test_workers_follow_a_metric_that_there_is():
    (described,) = work_metrics.QUEUE_DEPTH.describe()
    assert described.name == "salient_queue_depth"
    for manifest in kind(render(values_of("secrets")), "HorizontalPodAutoscaler"):
        (metric,) = manifest["spec"]["metrics"]
        assert metric["external"]["metric"]["name"] == "salient_queue_depth"
        assert metric["external"]["metric"]["selector"]["matchLabels"]["queue"] in (MAIN, OCR)
        assert manifest["spec"]["minReplicas"] >= 1
    (scaled,) = kind(render(values_of("keda")), "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    assert 'salient_queue_depth{queue="salient"' in trigger["metadata"]["query"]
    assert scaled["spec"]["minReplicaCount"] == 0


def test_an_upgrade_leaves_the_number_of_scaled_workers_alone():
    for deployment in kind(render(values_of("secrets")), "Deployment"):
        scaled = deployment["metadata"]["name"].startswith("demo-salient-worker")
        assert ("replicas" in deployment["spec"]) != scaled


def test_pods_start_anew_when_their_secrets_change():
    def annotations(manifests):
        return {
            m["spec"]["template"]["metadata"]["annotations"]["checksum/secret"]
            for m in kind(manifests, "Deployment")
        }

    values = values_of("inline")
    before = annotations(render(values))
    values["token"]["value"] = "another"
    assert before.isdisjoint(annotations(render(values)))


def test_the_chart_has_the_versions_of_the_package():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == project["version"]


def test_every_value_is_in_the_schema_and_every_default_is_valid():
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    assert set(values) | {"global"} == set(schema["properties"])


def test_it_can_be_packed_and_read_again(tmp_path):
    packed = helm.package(str(CHART), destination=str(tmp_path))
    with helm.Chart.load(str(packed)) as chart:
        assert chart.name == "salient"
        assert chart.render(values_of("inline"), name="demo", namespace="prod")
