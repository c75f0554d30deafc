"""Every plugin of ours passes the checks that authors of others are given; and those checks see what is wrong."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from unmix4d import registry
from unmix4d.api import unmix
from unmix4d.decide.criteria import Loss
from unmix4d.factorize.alternate import Hals
from unmix4d.records import CriterionCurve
from unmix4d.testing import (
    check_criterion,
    check_exporter,
    check_filter,
    check_solver,
    small_result,
    small_scan,
)


@pytest.mark.parametrize("name", registry.BUILT_IN["filters"])
def test_filters(name):
    check_filter(registry.load("filters", name)())


@pytest.mark.parametrize("name", registry.BUILT_IN["solvers"])
def test_solvers(name):
    check_solver(registry.load("solvers", name))


@pytest.mark.parametrize("name", registry.BUILT_IN["criteria"])
def test_criteria(name):
    check_criterion(registry.load("criteria", name)())


@pytest.mark.parametrize("name", registry.BUILT_IN["exporters"])
def test_exporters(name):
    result = unmix(small_scan(), k_max=2, filter="epattern").result if name == "spots" else small_result()
    check_exporter(registry.load("exporters", name)(), result=result)


@dataclass(frozen=True)
class Bad:
    """A filter with one fault."""

    name: ClassVar[str] = "bad"
    fault: str = ""
    halo: int = 0

    def __call__(self, patterns, /):
        if self.fault == "writes":
            patterns += 1
        if self.fault == "neighbours":  # looks further than its halo says
            return (patterns + np.roll(patterns, 1, axis=0)) / 2
        return {
            "shape": patterns[:, :-1],
            "type": patterns.astype(np.float64),
            "negative": patterns - (patterns > 0) * (patterns.max(initial=0) + 1),
            "not finite": np.where(patterns > 0, np.nan, patterns).astype(np.float32),
            "invents": patterns + np.float32(1),
        }.get(self.fault, patterns)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("writes", "written to|without counts"),
        ("neighbours", "is halo right"),
        ("shape", "became|without counts"),
        ("type", "float32 became float64"),
        ("negative", "must not be negative"),
        ("not finite", "must be finite"),
        ("invents", "must stay without counts"),
    ],
)
def test_a_fault_of_a_filter_is_seen(fault, sentence):
    check_filter(Bad())
    with pytest.raises(AssertionError, match=sentence):
        check_filter(Bad(fault=fault))


@dataclass(frozen=True, kw_only=True)
class Unsorted(Hals):
    """Gives its components in the wrong order."""

    def fit_many(self, matrix, ks, /, *, rng):
        fits = super().fit_many(matrix, ks, rng=rng)
        return {k: replace(f, components=f.components[::-1], weights=f.weights[:, ::-1]) for k, f in fits.items()}


@dataclass(frozen=True, kw_only=True)
class Boasting(Hals):
    """Says that it fits better than it does."""

    def fit_many(self, matrix, ks, /, *, rng):
        return {k: replace(f, loss=f.loss / 2) for k, f in super().fit_many(matrix, ks, rng=rng).items()}


@pytest.mark.parametrize(
    ("make", "sentence"), [(Unsorted, "sorted by counts"), (Boasting, "loss must be the mean")]
)
def test_a_fault_of_a_solver_is_seen(make, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_solver(make)


@dataclass(frozen=True)
class WrongWay(Loss):
    """Says another direction in its curve."""

    def curve(self, sweep, /):
        return replace(super().curve(sweep), better="higher")


def test_a_fault_of_a_criterion_is_seen():
    with pytest.raises(AssertionError, match="disagree"):
        check_criterion(WrongWay())


@dataclass(frozen=True)
class Silent:
    """Does not say what it wrote, or writes elsewhere."""

    name: ClassVar[str] = "silent"
    elsewhere: bool = False

    def write(self, result, folder, /):
        place = folder.parent if self.elsewhere else folder
        (place / "labels.txt").write_text(str(result.clusters.labels.sum()))
        return [place / "labels.txt"] if self.elsewhere else []


@pytest.mark.parametrize(("elsewhere", "sentence"), [(False, "must give the paths"), (True, "it says")])
def test_a_fault_of_an_exporter_is_seen(elsewhere, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_exporter(Silent(elsewhere=elsewhere))


def test_a_criterion_of_another_package_is_shown_and_may_not_take_a_name(monkeypatch):
    class Twice:
        name = "twice"
        better = "lower"

        def curve(self, sweep, /):
            values = tuple(2 * value for value in map(float, sweep.losses))
            return CriterionCurve(name=self.name, better=self.better, ks=sweep.ks, values=values, choice=2)

    known, load = registry.names, registry.load
    monkeypatch.setattr(
        registry, "names", lambda group: (*known(group), "twice") if group == "criteria" else known(group)
    )
    monkeypatch.setattr(registry, "load", lambda group, name: Twice if name == "twice" else load(group, name))
    run = unmix(small_scan(), k_max=3)
    (curve,) = [one for one in run.decision.curves if one.name == "twice"]
    assert curve.values == pytest.approx([2 * run.result.fits[k].loss for k in curve.ks])
    assert run.decision.votes["twice"] == 2
    Twice.name = "loss"
    with pytest.raises(registry.UsageError, match="'twice' of another package gives a curve named 'loss'"):
        unmix(small_scan(), k_max=3)
