"""Everything that the registry names exists and has the shape of its extension point."""

import pytest

from unmix4d import registry
from unmix4d.errors import UsageError

PROTOCOLS = {
    "filters": registry.Filter,
    "solvers": registry.Solver,
    "criteria": registry.Criterion,
    "exporters": registry.Exporter,
}
ENTRIES = [(group, name) for group, entries in registry.BUILT_IN.items() for name in entries]


def test_every_group_has_a_protocol_and_entries() -> None:
    assert registry.BUILT_IN.keys() == PROTOCOLS.keys()
    assert all(registry.BUILT_IN.values())


@pytest.mark.parametrize(("group", "name"), ENTRIES)
def test_what_is_registered_keeps_to_its_protocol_under_its_own_name(group: str, name: str) -> None:
    made = registry.load(group, name)()
    assert isinstance(made, PROTOCOLS[group])
    assert made.name == name


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(
        UsageError, match=r"no unmix4d\.filters named 'men'; known: epattern, gated-mean, mean, raw"
    ):
        registry.load("filters", "men")
