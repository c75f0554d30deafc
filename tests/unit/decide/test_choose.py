from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unmix4d.decide import counting
from unmix4d.decide.choose import decide
from unmix4d.decide.criteria import Coherence, Stability, Unexplained
from unmix4d.decide.vote import Votes
from unmix4d.errors import UsageError
from unmix4d.execute import Threads
from unmix4d.records import Decision, FactoredMatrix, Factorization, FloatArray, Geometry, PatternMatrix, Sweep

SIDE = 32
SCAN = (8, 32)
LOSSES = {1: 10.0, 2: 7.5, 3: 5.0, 4: 2.0, 5: 1.9, 6: 1.85, 7: 1.8, 8: 1.75}
N_CRYSTALS = 4


def lattice(angle: float, seed: int = 0) -> FloatArray:
    """Spots of a square lattice, with strengths of their own."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    rng = np.random.default_rng(seed)
    image = np.zeros((SIDE, SIDE))
    turn = np.deg2rad(angle)
    for m in range(-2, 3):
        for n in range(-2, 3):
            if (m, n) != (0, 0):
                cy, cx = (6.3 * (m * np.sin(turn) + n * np.cos(turn)), 6.3 * (m * np.cos(turn) - n * np.sin(turn)))
                image += rng.uniform(0.2, 2.0) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 1.5)
    return image


def make(n_crystals: int = N_CRYSTALS, ks: Sequence[int] = range(1, 9), *, low_rank: bool = True) -> Sweep:
    """Bands of crystals side by side. With more components than crystals they are split into narrower bands.

    With fewer, neighbours are put together. The two halves of a band have other strengths at the same places.
    """
    n_bands = 2 * n_crystals
    band = np.arange(SCAN[1]) * n_bands // SCAN[1]
    sources = np.array([lattice(22 * (b // 2), seed=b % 2) for b in range(n_bands)]).reshape(n_bands, -1)
    sources *= 1000 / sources.sum(axis=1, keepdims=True)
    data = np.tile(sources[band], (SCAN[0], 1)).astype(np.float32)
    ones = {"probe_mask": np.ones(SCAN, dtype=bool), "pixel_mask": np.ones((SIDE, SIDE), dtype=bool)}
    geometry = Geometry(scan_shape=SCAN, pattern_shape=(SIDE, SIDE))
    matrix = PatternMatrix(read_block=lambda _: data, bounds=(0, len(data)), geometry=geometry, **ones)

    def fit(k: int) -> Factorization:
        owner = np.minimum(band * k // n_bands if k <= n_crystals else band, k - 1)
        owner = owner if k != n_crystals else band // 2
        components = np.array([data[: SCAN[1]][owner == i].mean(axis=0) for i in range(owner.max() + 1)])
        components = np.concatenate([components, np.zeros((k - len(components), data.shape[1]))])
        sums = components.sum(axis=1, keepdims=True)
        weights = np.tile(owner, SCAN[0])[:, None] == np.arange(k)
        return Factorization(
            components=(components / np.where(sums > 0, sums, 1)).astype(np.float32),
            weights=(1000.0 * weights).astype(np.float32),
            geometry=geometry,
            loss=LOSSES[k],
            **ones,
        )

    sweep = Sweep(matrix=matrix, fits={k: fit(k) for k in ks})
    if not low_rank:
        return sweep
    u, s, v = np.linalg.svd(data, full_matrices=False)
    rank = min(16, len(s))
    factored = FactoredMatrix(
        scores=(u * s)[:, :rank].astype(np.float32),
        basis=v[:rank],
        row=np.ones(len(data), dtype=np.float32),
        column=np.ones(data.shape[1], dtype=np.float32),
        norm2=float((data**2).sum()),
        geometry=geometry,
        **ones,
    )
    return replace(sweep, factored=factored)


def curve(decision: Decision, name: str) -> dict[int, float]:
    (found,) = [c for c in decision.curves if c.name == name]
    return dict(zip(found.ks, found.values, strict=True))


@pytest.fixture(scope="module")
def four() -> Sweep:
    return make()


def test_four_crystals_that_each_have_two_patterns(four: Sweep) -> None:
    sweep, decision = decide(four)
    assert sweep is four
    assert (decision.k, decision.n_crystals, decision.confidence) == (6, 4, "high")
    assert set(decision.counts) == {4}
    assert decision.votes["crystals by merged groups"] == 4
    assert decision.votes["unexplained signal"] == 4
    assert decision.reason.startswith("k = 6 components with 4 crystals among them.")
    for words in ("ways to group the components", "find 4 crystals", "From k = 4 on", "Confidence is high."):
        assert words in decision.reason


def test_the_decision_carries_its_evidence(four: Sweep) -> None:
    _, decision = decide(four)
    ks = range(decision.k_low, decision.k_high + 1)
    assert sorted(decision.pairwise) == sorted(decision.roles) == list(ks)
    assert [score.metric for score in decision.pairwise[4]] == ["ssim", "gmsd", "mdsi", "psnr"]
    assert curve(decision, "loss") == LOSSES
    crystals = curve(decision, "n_crystals")
    assert [crystals[k] for k in (1, 4, 8)] == [1, 4, 4]
    left = curve(decision, "unexplained")
    assert left[3] > 0.45 > left[4]
    assert left[8] == pytest.approx(0, abs=1e-4)
    names = [c.name for c in decision.curves]
    assert len(set(names)) == len(names)
    assert {"coherence", "stability", "nearest_ssim", "mean_mdsi"} <= set(names)
    assert all(c.better in {"higher", "lower"} for c in decision.curves)


@pytest.mark.parametrize("k", [3, 6, 1])
def test_k_of_the_user_is_the_decision(four: Sweep, k: int) -> None:
    _, decision = decide(four, k=k)
    assert decision.k == k
    rule = "as the rule would have done" if k == 6 else "the rule would have chosen 6"
    assert decision.reason.startswith(f"k was set to {k} by the user, {rule};")
    assert {k} <= set(decision.pairwise) & set(decision.roles)
    assert decision.votes == decide(four)[1].votes
    assert decision.confidence == ("high" if decision.n_crystals == 4 else "low")


def test_components_of_the_user_are_merged_only_if_they_are_the_same(four: Sweep) -> None:
    assert decide(four, k=8)[1].n_crystals == 8
    assert decide(four, k=4)[1].reason.startswith(
        "k was set to 4 by the user, the rule would have chosen 6; with 4"
    )


def test_k_that_was_not_fitted_is_refused(four: Sweep) -> None:
    with pytest.raises(UsageError, match="k = 9 was not fitted: the sweep holds k = 1 to 8"):
        decide(four, k=9)


def test_one_crystal_says_so() -> None:
    _, decision = decide(make(1))
    assert (decision.k, decision.n_crystals) == (2, 1)
    assert "with one crystal among them" in decision.reason
    assert "No second pattern has spots of its own" in decision.reason


def test_noise_alone_is_no_crystal() -> None:
    sweep = make(2)
    assert sweep.factored is not None
    noise = np.random.default_rng(0).standard_normal(sweep.factored.scores.shape).astype(np.float32)
    _, decision = decide(replace(sweep, factored=replace(sweep.factored, scores=noise)))
    assert (decision.k, decision.n_crystals) == (1, 0)
    assert "nothing in common but smooth background and noise" in decision.reason


def test_without_a_low_rank_form_the_votes_decide_and_are_not_more_than_medium() -> None:
    _, decision = decide(make(low_rank=False))
    assert (decision.n_crystals, decision.confidence) == (4, "medium")
    assert "was not measured" in decision.reason
    assert curve(decision, "unexplained") == {}
    assert Unexplained().curve(make(low_rank=False)).ks == ()


def test_a_larger_model_is_fitted_when_the_sweep_has_too_few_components(four: Sweep) -> None:
    asked: list[int] = []

    def refit(ks: Sequence[int]) -> dict[int, Factorization]:
        asked.extend(ks)
        return {k: replace_k(four.fits[8], k) for k in ks}

    short = replace(
        four,
        fits={k: four.fits[k] for k in (1, 2, 3)},
        refit=refit,
        fit_factored=lambda _, ks: {k: replace_k(four.fits[8], k) for k in ks},
    )
    grown, decision = decide(short)
    assert asked == [decision.k]
    assert decision.n_crystals == 4
    assert grown.ks == (1, 2, 3, decision.k)


def replace_k(fit: Factorization, k: int) -> Factorization:
    """Add dead components."""
    more = k - fit.k
    return replace(
        fit,
        components=np.pad(fit.components, ((0, more), (0, 0))),
        weights=np.pad(fit.weights, ((0, 0), (0, more))),
    )


def test_a_sweep_that_cannot_grow_gives_the_nearest_number_and_low_confidence(four: Sweep) -> None:
    short = replace(
        four,
        fits={k: four.fits[k] for k in (1, 2, 3)},
        fit_factored=lambda _, ks: {k: replace_k(four.fits[8], k) for k in ks},
    )
    _, decision = decide(short)
    assert decision.n_crystals < 4
    assert (decision.k in short.ks, decision.confidence) == (True, "low")
    words = f"between {decision.n_crystals} and 4"
    assert words in decision.reason
    assert any(words in warning for warning in decision.warnings)


def test_options_reach_the_rule(four: Sweep) -> None:
    _, decision = decide(four, half_width=1, exemplar="data", elbow="second_difference", executor=Threads(2))
    assert (decision.k_low, decision.k_high) == (3, 5)
    assert decision.n_crystals == 4


def permuted(fit: Factorization, order: Sequence[int]) -> Factorization:
    return replace(fit, components=fit.components[list(order)], weights=fit.weights[:, list(order)])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.sampled_from([1.0, 0.5, 64.0]))
def test_order_of_components_and_dose_change_nothing(four: Sweep, random: Random, dose: float) -> None:
    mixed = {}
    for k, fit in four.fits.items():
        order = random.sample(range(k), k)
        mixed[k] = permuted(replace(fit, weights=fit.weights * np.float32(dose)), order)
    matrix = replace(four.matrix, read_block=lambda i: four.matrix.read_block(i) * np.float32(dose))
    assert four.factored is not None
    factored = replace(four.factored, scores=four.factored.scores * np.float32(dose))
    _, one = decide(four)
    _, other = decide(replace(four, fits=mixed, matrix=matrix, factored=factored))
    assert (other.k, other.n_crystals, other.confidence) == (one.k, one.n_crystals, one.confidence)
    assert (other.votes, other.counts) == (one.votes, one.counts)
    for name in ("nearest_ssim", "nearest_gmsd", "nearest_mdsi", "mean_ssim", "unexplained"):
        assert curve(other, name) == pytest.approx(curve(one, name), rel=1e-6, abs=1e-6)


def test_stability_is_the_agreement_of_starts_where_there_were_several(four: Sweep) -> None:
    known = {k: replace(fit, stability=1 - 0.1 * k) for k, fit in four.fits.items() if k > 3}
    found = Stability().curve(replace(four, fits=dict(four.fits) | known))
    assert dict(zip(found.ks, found.values, strict=True)) == {k: fit.stability for k, fit in known.items()}
    assert found.choice is None
    assert found.better == "higher"


def test_coherence_falls_where_a_component_fits_noise(four: Sweep) -> None:
    weights = four.fits[2].weights.copy()
    weights[:, 1] = np.random.default_rng(0).uniform(0, 1, len(weights))
    noisy = {**four.fits, 2: replace(four.fits[2], weights=weights)}
    found = Coherence().curve(replace(four, fits=noisy))
    values = dict(zip(found.ks, found.values, strict=True))
    assert values[2] < 0.2
    assert values[4] > 0.8


def test_without_agreement_the_most_distinct_components_are_kept(
    four: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    scattered = Votes(counts={9: 4, 2: 3, 20: 3}, sizes=(8,))
    monkeypatch.setattr(counting, "take_votes", lambda *_, **__: scattered)
    _, decision = decide(four)
    assert (decision.k, decision.n_crystals, decision.confidence) == (4, 4, "low")
    assert "the components that are most distinct are kept, k = 4" in decision.reason
    assert "Uncertain: no well-defined number of crystals, between 2 and 9." in decision.reason
