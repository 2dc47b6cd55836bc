"""From Kubernetes manifests to a draft.

`kubernetes.json` is Kubernetes' own OpenAPI (v1.37.0, Apache License 2.0) as JSON Schema, of the kinds that are read;
it was converted by the package kubernetes-validate 1.37.0, and is stripped of descriptions and states.
"""
