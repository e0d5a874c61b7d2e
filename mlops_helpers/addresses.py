"""Names and addresses of a registry, refused with words before a library is asked."""

from __future__ import annotations

import re

from mlops_helpers.store_errors import RegistryError

__all__ = ["checked_address", "checked_name"]

STORES = r"(sqlite|postgresql|mysql|mssql)(\+\w+)?://|https?://[^/]"


def checked_name(name: object) -> str:
    """The name of a registered model as it is; RegistryError for one MLflow cannot hold.

    MLflow takes neither slash nor colon, and a database 256 characters. Quotes end its search
    expressions. Letters of any script are letters.
    """
    if isinstance(name, str) and re.fullmatch(r"\w(?:[\w .()-]{0,248}[\w.()-])?", name):
        return name
    shown = name if len(str(name)) <= 80 else f"{str(name)[:80]}… ({len(str(name))} characters)"
    raise RegistryError(
        f"name == {shown!r}: must be 1 to 250 letters, digits, spaces or ._()-, begin with "
        "a letter or digit and not end with a space. Choose another name."
    )


def checked_address(address: object) -> str:
    """The address of a store as it is; RegistryError unless it names a database or a server.

    A folder will not do: MLflow's registry needs a database. Nothing at all would make MLflow take
    whatever it takes when nobody says.
    """
    if isinstance(address, str) and re.match(STORES, address, re.IGNORECASE):
        return address
    raise RegistryError(
        f"tracking_uri == {address!r:.80}, must be a database or a server: "
        "sqlite:////data/mlflow.db, postgresql://user@host/name, http://host:5000."
    )
