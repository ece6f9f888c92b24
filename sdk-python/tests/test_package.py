"""What the package says about itself is true."""

from __future__ import annotations

import re

from conftest import ROOT

import gateway
import gateway.sync

SDK = ROOT / "sdk-python"


def test_the_version_is_that_of_the_core() -> None:
    found = re.search(r'\[workspace\.package\]\nversion = "([^"]+)"', (ROOT / "Cargo.toml").read_text())
    assert found is not None and gateway.__version__ == found.group(1)


def test_the_licences_name_what_is_compiled() -> None:
    lock = (ROOT / "Cargo.lock").read_text()
    crates = re.findall(r"([a-z0-9_-]+) (\d+\.\d+\.\d+)", (SDK / "LICENSES.md").read_text())
    assert len(crates) > 20
    for name, version in crates:
        assert f'name = "{name}"\nversion = "{version}"' in lock, f"{name} {version}: the lock file has another version"


def test_types_are_marked_and_names_are_exported() -> None:
    assert (SDK / "gateway/py.typed").exists()
    for name in gateway.__all__:
        assert hasattr(gateway, name)
    for name in gateway.sync.__all__:
        assert hasattr(gateway.sync, name)


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    for plain, asynchronous in [
        (gateway.sync.Client, gateway.Client),
        (gateway.sync.ClanChat, gateway.ClanChat),
        (gateway.sync.Topic, gateway.Topic),
        (gateway.sync.Notifications, gateway.Notifications),
        (gateway.sync.Subscription, gateway.Subscription),
    ]:
        # Attributes of instances are properties in the other one.
        extra = {"run", "clan_id", "service", "name"}
        assert methods(plain) - extra == methods(asynchronous) - extra
