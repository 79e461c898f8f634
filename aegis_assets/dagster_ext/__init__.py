"""The one package that touches private API of Dagster. tests/dagster_ext says of each name what to do when an upgrade breaks it."""
