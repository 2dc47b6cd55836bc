"""From what others have written (compose files, access logs) to a scenario's text.

`compose-spec.json` is the JSON Schema of the Compose Specification (https://github.com/compose-spec/compose-spec,
Apache License 2.0), as it is published there.
"""
