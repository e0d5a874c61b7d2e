"""Makes `pytest --nbval notebooks/` compare as `make test` does."""

pytest_plugins = ("tests.notebooks.nbval_rules",)
