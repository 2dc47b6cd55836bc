"""Manifests of Kubernetes become scenarios: totals as counted by hand, guesses marked, every mistake placed."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from sim.cli import main
from sim.imports.draft import Draft, Part
from sim.imports.kube.quantities import quantity
from sim.imports.kube.workloads import read_kube
from sim.imports.writing import guesses_of, written
from sim.platforms.checks import CHECKS
from sim.reading.errors import ScenarioError
from sim.scenario import Scenario, load_scenario

MIB = 2.0**20

SHOP = """\
# Written for this test in the form of published stacks.
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      priorityClassName: high
      initContainers:
        - {name: migrate, image: example/migrate, resources: {requests: {cpu: "1", memory: 64Mi}}}
        - {name: mesh, image: example/mesh, restartPolicy: Always, resources: {requests: {cpu: 50m, memory: 40Mi}}}
      containers:
        - name: server
          image: example/web:1
          env:
            - {name: CART_ADDR, value: "cart:7070"}
            - {name: MODE, value: user}
            - {name: DB_HOST, valueFrom: {configMapKeyRef: {name: where, key: db}}}
          readinessProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 5, periodSeconds: 5}
          startupProbe: {httpGet: {path: /, port: 80}, periodSeconds: 2, failureThreshold: 30}
          resources: {requests: {cpu: 250m, memory: 100Mi}, limits: {cpu: 500m, memory: 128Mi}}
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: List
items:
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: cart, namespace: shop}
    spec:
      serviceName: cart
      replicas: 2
      selector: {matchLabels: {app: cart}}
      template:
        metadata: {labels: {app: cart}}
        spec: {containers: [{name: c, image: example/cart, resources: {limits: {cpu: "0.5", memory: 1Gi}}}]}
  - apiVersion: v1
    kind: Service
    metadata: {name: cart, namespace: shop}
    spec: {selector: {app: cart}, ports: [{port: 7070}]}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: where, namespace: shop}, data: {db: store}}
  - apiVersion: v1
    kind: Service
    metadata: {name: store, namespace: shop}
    spec: {selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: db, image: "postgres:16"}]}
---
apiVersion: v1
kind: LimitRange
metadata: {name: defaults, namespace: shop}
spec: {limits: [{type: Container, default: {cpu: 400m, memory: 300M}, defaultRequest: {cpu: 200m}, max: {memory: 2Gi}}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 9
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
  behavior:
    scaleUp: {policies: [{type: Percent, value: 50, periodSeconds: 30}, {type: Pods, value: 2, periodSeconds: 30}]}
    scaleDown: {stabilizationWindowSeconds: 60}
---
apiVersion: batch/v1
kind: Job
metadata: {name: seed, namespace: shop}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: s, image: example/seed}]}}}
"""

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: c, image: nginx, resources: {requests: {cpu: 100m, memory: 64Mi}}}
"""
HPA = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: h}
spec: {scaleTargetRef: {kind: Deployment, name: web}"""


def draft_of(folder: Path, text: str) -> Draft:
    file = folder / "k.yaml"
    file.write_text(text, "utf-8")
    return read_kube([file])


def parts_of(draft: Draft) -> dict[str, Part]:
    return {part.name: part for part in draft.parts}


def scenario_of(folder: Path, draft: Draft) -> Scenario:
    out = folder / "out.yaml"
    out.write_text(written(draft), "utf-8")
    return load_scenario(out, checks=CHECKS)


def test_requests_in_total_are_those_counted_by_hand(tmp_path: Path) -> None:
    cpu, memory, silent = draft_of(tmp_path, SHOP).totals()
    # web 2 (its autoscaler's least) x max(250 + 50 m of the sidecar, 1 of `migrate`), 2 x (100 + 40) MiB;
    # cart 2 x its limits, 0.5 and 1 GiB; db what LimitRange says, 200 m, and its default limit of 300 MB
    assert cpu == pytest.approx(2 * 1.0 + 2 * 0.5 + 0.2, abs=1e-12)
    assert memory == 2 * 140 * MIB + 2 * 1024 * MIB + 300e6
    assert silent == 0


def test_what_a_workload_is_comes_from_the_manifests(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, SHOP)
    parts = parts_of(draft)
    web, cart, db = parts["web"], parts["cart"], parts["db"]
    assert (draft.name, list(parts)) == ("shop", ["web", "cart", "db"])
    # the sidecar has LimitRange's 400m; 900m is raised to the request of `migrate`; memory 128 MiB + 300 MB
    assert (web.amounts.cpu_limit, web.amounts.memory_limit) == (1.0, 128 * MIB + 300e6)
    assert web.ready == {"probe": "5s", "delay": "5s"}
    assert list(web.calls) == ["cart", "db"]
    assert "CART_ADDR, names Service cart" in web.calls["cart"]
    assert draft.entry() is web
    assert "NodePort" in web.reached
    assert (cart.replicas, cart.amounts.cpu, cart.amounts.cpu_limit) == (2, 0.5, 0.5)
    assert (db.amounts.cpu_limit, db.amounts.memory_limit) == (0.4, 300e6)
    assert web.autoscale == {
        "rule": "hpa", "min": "2", "max": "9", "target_cpu": "70%", "up_pods": "2", "up_ratio": "50%",
        "up_period": "30s", "stabilization": "60s",
    }  # fmt: skip


def test_what_is_written_is_a_scenario_with_its_guesses_and_losses(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, SHOP)
    scenario = scenario_of(tmp_path, draft)
    assert scenario.services["web"].autoscale.target_cpu == 0.7  # type: ignore[union-attr]
    assert scenario.services["web"].size_on(["container"]).cpu_request == 1.0  # type: ignore[union-attr]
    text = written(draft)
    head = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    for told in ("3.2 cores", "Job, a job that ends: seed", "what their volumes read and write (add read and write",
                 "priorities (nobody is preempted): web", "1 Namespace", "how long their init containers take",
                 "replicas: 3 (its autoscaler begins with 2 here): web"):  # fmt: skip
        assert told in head, told
    assert "several containers" in head  # the sidecar is one
    assert all(len(line.partition("# guess: ")[2]) > 5 for line in guesses_of(text))
    assert sum("- call:" in line for line in guesses_of(text)) == 2


def test_requests_that_are_not_written_are_told_apart(tmp_path: Path) -> None:
    # web 2 x (250 + 50) m and 2 x 140 MiB; cart has limits alone, db nothing
    assert draft_of(tmp_path, SHOP).counted[0].startswith("0.6 cores and 280 MiB stand there as requests")


def test_a_runtime_class_is_a_platform_with_its_overhead(tmp_path: Path) -> None:
    runtime = "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: safe}\nhandler: kata-qemu\n"
    runtime += "overhead: {podFixed: {cpu: 250m, memory: 160Mi}}\n---\n"
    draft = draft_of(
        tmp_path, runtime + WEB.replace("      containers:", "      runtimeClassName: safe\n      containers:")
    )
    scenario = scenario_of(tmp_path, draft)
    assert list(scenario.platforms) == ["vm", "container", "kata"]
    assert scenario.services["web"].size_on(["kata", "container"]).memory_request == (64 + 160) * MIB  # type: ignore[union-attr]
    assert scenario.services["web"].size_on(["container"]).memory_request == 64 * MIB  # type: ignore[union-attr]
    assert "request_per_guest: 250m" in written(draft)
    assert "0.5 cores, 320 MiB" in draft.counted[-1]


METRIC = "maxReplicas: 5, metrics: [{type: Resource, resource: {name: %s, target: %s}}]"
CPU = METRIC % ("cpu", "{type: Utilization, averageUtilization: 50}")


@pytest.mark.parametrize(
    ("spec", "fields", "lost"),
    [
        ("maxReplicas: 5, targetCPUUtilizationPercentage: 50", {"min": "1", "max": "5", "target_cpu": "50%"}, ""),
        ("maxReplicas: 5", {"target_cpu": "80%"}, "default"),
        (METRIC % ("cpu", "{type: AverageValue, averageValue: 150m}"), {"target_cpu": "150%"}, ""),
        (METRIC % ("memory", "{type: Utilization, averageUtilization: 50}"), None, "metric of memory"),
        (f"{CPU}, behavior: {{scaleUp: {{selectPolicy: Disabled}}, scaleDown: {{selectPolicy: Disabled}}}}",
         {"up_pods": "0", "up_ratio": "0%"}, "scaleDown.selectPolicy"),
        (f"{CPU}, behavior: {{scaleUp: {{policies: [{{type: Pods, value: 1, periodSeconds: 60}}]}}}}",
         {"up_pods": "1", "up_ratio": "0%", "up_period": "60s"}, ""),
    ],
)  # fmt: skip
def test_autoscalers_become_the_rule_hpa(spec: str, fields: dict[str, str] | None, lost: str, tmp_path: Path) -> None:
    version = "v1" if "targetCPU" in spec else "v2"
    draft = draft_of(tmp_path, f"{WEB}---\n{HPA.replace('v2', version)}, {spec}}}\n")
    part = draft.parts[0]
    assert part.autoscale.items() >= (fields or {}).items()
    assert bool(part.autoscale) is (fields is not None)
    assert part.replicas == (1 if fields else 2)
    assert lost in "\n".join(draft.lost)
    scenario_of(tmp_path, draft)


def test_quantities_are_those_of_kubernetes() -> None:
    given = ["100m", "1.5", 2, "128Mi", "1e3", "1E", "12E2", "0.5Gi", "64k", "250u", ".5", "1Ki"]
    known = [0.1, 1.5, 2.0, 2.0**27, 1e3, 1e18, 1200.0, 2.0**29, 64e3, 250e-6, 0.5, 1024.0]
    assert [quantity(each) for each in given] == pytest.approx(known, rel=1e-12)
    for wrong in ("1K", "512MB", "1 Gi", "-1", "Mi", True, None, "1e", "1mi", float("nan")):
        with pytest.raises(ValueError, match="quantity of Kubernetes"):
            quantity(wrong)


def test_folders_standard_input_and_older_groups_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                          capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    folder = tmp_path / "deploy"
    (folder / "overlay").mkdir(parents=True)
    (folder / "overlay" / "x.yaml").write_text(WEB)
    (folder / "a.yaml").write_text(WEB.replace("apps/v1", "extensions/v1beta1"))
    (folder / "kustomization.yaml").write_text("resources: [a.yaml]\n")
    (folder / "values.yaml").write_text("a: 1\n")
    draft = read_kube([folder])
    told = "\n".join(draft.lost)
    for each in (
        "not those in overlay/",
        "kustomize is not applied",
        "values.yaml: no object",
        "of extensions/v1beta1",
    ):
        assert each in told, each
    monkeypatch.setattr("sys.stdin", io.StringIO(f"# helm\n---\n# Source: x\n{WEB}---\n"))
    assert main(["init", "kube", "-", "-o", str(tmp_path / "s.yaml")]) == 0
    assert "0.2 cores, 128MiB" in capsys.readouterr().err


# (text, what is told: file, line and path, found)
HOSTILE = [
    ("", r"k.yaml: found nothing but white space"),
    ("---\n# nothing\n---\n", r"k.yaml: found nothing but white space"),
    ("- a\n", r"k.yaml:1:1: found a list"),
    (f"{WEB}---\nhello\n", r"k.yaml:13:1: found 'hello'; allowed: a mapping with apiVersion"),
    (f"{WEB}---\nkind: [\n", r"k.yaml:\d+:\d+: found a syntax error"),
    ("kind: Deployment\n", r"k.yaml:1:1: apiVersion: found nothing"),
    ("apiVersion: apps/v1\nknd: Deployment\n", r"k.yaml:2:6: knd: found nothing as kind.*did you mean kind"),
    (WEB.replace("kind: Deployment", "kind: Deploymnet"), r"k.yaml:2:7: kind: found 'Depl.*did you mean Deployment"),
    (WEB.replace("apps/v1", "app/v1"), r"k.yaml:1:13: apiVersion: found 'app/v1'.*did you mean apps/v1"),
    (WEB.replace("replicas:", "replcas:"), r"k.yaml:5:3: spec.replcas: found an unknown key.*did you mean replicas"),
    (WEB.replace("replicas: 2", "replicas: two"), r"k.yaml:5:13: spec.replicas: found 'two'; allowed: a whole number"),
    (WEB.replace("replicas: 2", "replicas: -1"), r"k.yaml:5:13: spec.replicas: found -1"),
    (WEB.replace("100m", "lots"), r"k.yaml:11:\d+: .*containers.0.resources.requests.cpu: found 'lots'"),
    (WEB.replace("64Mi", "64MB"), r"resources.requests.memory: found '64MB'; allowed: a quantity of Kubernetes"),
    (WEB.replace("64Mi}", "64Mi}, limits: {memory: 32Mi}"), r"requests.memory: found 64Mi, above the limit 32Mi"),
    (WEB.replace("      containers:\n", "      container:\n"), r"k.yaml:10:7: .*did you mean containers"),
    (WEB.partition("      containers")[0] + "      containers: []\n", r"spec.containers: found an empty list"),
    (WEB.replace("name: c, ", ""), r"spec.template.spec.containers.0.name: found nothing"),
    (WEB.replace("  selector: {matchLabels: {app: web}}\n", ""), r"spec.selector: found nothing; allowed: a value"),
    (WEB.replace("image: nginx", "image: [nginx]"), r"spec.template.spec.containers.0.image: found a list"),
    (WEB.replace("  replicas: 2\n", "  replicas: {{ .Values.n }}\n"), r"k.yaml:5:13: found a template of Helm"),
    ("{{- if .Values.on }}\n" + WEB, r"k.yaml:1:1: found a template of Helm"),
    (WEB.replace("image: nginx", 'image: "{{ .Values.image }}"'), r"containers.0.image: .*allowed: an image"),
    ("services: {web: {image: nginx}}\n", r"k.yaml:1:1: services: found a compose file.*init compose"),
    ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", r"found no pods that stay up \(only ConfigMap\)"),
    (WEB.replace("replicas: 2", "replicas: 0"), r"found no pods that stay up"),
    ("apiVersion: v1\nkind: List\nitems: [5]\n", r"k.yaml:3:9: items.0: found 5"),
    ("resources: [a.yaml]\nkind: Kustomization\napiVersion: kustomize.config.k8s.io/v1\n", r"kubectl kustomize"),
    (WEB.replace("  replicas: 2", "  replicas: 2\n  replicas: 3"), r"k.yaml:6:3: spec.replicas: .*second time"),
    (f"{WEB}---\n{HPA}, minReplicas: 5, maxReplicas: 2}}\n", r"k.yaml:16:\d+: spec.minReplicas: found 5"),
    (WEB.replace("image: nginx", "image: nginx, env: [{name: A, value: 5}]"), r"env.0.value: found 5; allowed: text"),
    (WEB.replace("image: nginx, ", "image: nginx, readinessProbe: {periodSecond: 5}, "), r"did you mean periodSeconds"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), HOSTILE)
def test_what_is_wrong_is_told_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as refused:
        draft_of(tmp_path, text)
    found = [str(problem).removeprefix(f"{tmp_path}/") for problem in refused.value.problems]
    assert any(re.search(told, each) for each in found), found


def test_every_mistake_of_every_file_is_told_at_once_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(WEB.replace("100m", "lots").replace("replicas: 2", "replicas: many"))
    (tmp_path / "b.yaml").write_text(WEB.replace("64Mi", "-1"))
    out = tmp_path / "o.yaml"
    names = [str(tmp_path / each) for each in ("a.yaml", "b.yaml", "no.yaml")]
    assert main(["init", "kube", *names, "-o", str(out)]) == 2
    assert "4 mistakes; nothing was run or written" in capsys.readouterr().err
    assert not out.exists()
