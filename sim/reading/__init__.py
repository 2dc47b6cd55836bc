"""From text to values: units, distributions, fields, documents that know their places, and the project's errors."""
