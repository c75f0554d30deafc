from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unmix4d.decide.choose import decide
from unmix4d.decide.criteria import Stability
from unmix4d.errors import UsageError
from unmix4d.execute import Threads
from unmix4d.records import ComponentRoles, Decision, Factorization, FloatArray, Role, Sweep

MakeSweep = Callable[..., Sweep]

SIDE = 16
FALLING = {1: 10.0, 2: 7.5, 3: 5.0, 4: 2.0, 5: 1.9, 6: 1.85, 7: 1.8, 8: 1.75}
STRAIGHT = {k: 10.0 - k for k in range(1, 9)}


def spots(seed: int) -> FloatArray:
    """Ten bright spots at places of its own on a dim floor."""
    image = np.full((SIDE, SIDE), 1.0)
    y, x = np.random.default_rng(seed).integers(1, SIDE - 1, (2, 10))
    image[y, x] = 200.0
    return image


# Four patterns, and then each of them again with a little less light in one corner.
FOUR = [spots(seed) for seed in range(4)]
DIMMED = np.where(np.add.outer(range(SIDE), range(SIDE)) < 8, 0.9, 1.0)
PATTERNS = np.array([*FOUR, *(p * DIMMED for p in FOUR)])


def by_likeness(fit: Factorization) -> ComponentRoles:
    """Components whose cosine exceeds 0.9 are one crystal; flat ones are background."""
    length = np.linalg.norm(fit.components, axis=1)
    unit = fit.components / np.maximum(length, 1e-30)[:, None]
    cosine = unit @ unit.T
    roles: list[Role] = []
    crystals: list[int] = []
    for i in range(fit.k):
        like = [j for j in range(i) if cosine[i, j] > 0.9]
        flat = bool(fit.components[i].max() < 1.5 * fit.components[i].mean())
        if fit.dead[i] or flat:
            roles.append("dead" if fit.dead[i] else "background")
            crystals.append(-1)
        else:
            roles.append("split" if like else "crystal")
            crystals.append(crystals[like[0]] if like else max([-1, *crystals]) + 1)
    return ComponentRoles(
        roles=tuple(roles),
        crystals=np.array(crystals, dtype=np.int16),
        spot_patterns=fit.component_patterns(),
        similarity=cosine,
    )


def scripted(counts: Mapping[int, int]) -> Callable[[Factorization], ComponentRoles]:
    """Roles that show ``counts[k]`` crystals at k, whatever the components."""

    def roles_of(fit: Factorization) -> ComponentRoles:
        n = counts[fit.k]
        return ComponentRoles(
            roles=tuple("crystal" if i < n else "split" for i in range(fit.k)),
            crystals=np.minimum(np.arange(fit.k), n - 1).astype(np.int16),
            spot_patterns=fit.component_patterns(),
            similarity=np.eye(fit.k),
        )

    return roles_of


def curve(decision: Decision, name: str) -> dict[int, float]:
    (found,) = [c for c in decision.curves if c.name == name]
    return dict(zip(found.ks, found.values, strict=True))


@pytest.fixture
def four(make_sweep: MakeSweep) -> Sweep:
    """k = 1 to 8: one pattern after the other, and duplicates from k = 5 on."""
    return make_sweep(PATTERNS, {k: range(k) for k in range(1, 9)}, FALLING)


def test_four_distinct_patterns(four: Sweep) -> None:
    decision = decide(four, roles_of=by_likeness)
    assert (decision.k, decision.n_crystals) == (4, 4)
    assert (decision.k_low, decision.k_high) == (2, 8)
    assert decision.confidence == "high"
    assert decision.votes == {
        "knee": 4,
        "loss log second difference": 4,
        "ssim": 4,
        "gmsd": 4,
        "mdsi": 4,
        "crystals over the range": 4,
    }
    assert decision.warnings == ()
    for words in (
        "k = 4 components with 4 crystals among them.",
        "The loss bends at k = 4;",
        "k = 2 to 8 was compared",
        "most distinct at k = 4 by SSIM, k = 4 by GMSD, k = 4 by MDSI",
        "The number of crystals over k = 2 to 8 is 2, 3, 4, 4, 4, 4, 4; most often 4.",
        "100.0 dB",
        "Confidence is high.",
    ):
        assert words in decision.reason


def test_the_decision_carries_its_evidence(four: Sweep) -> None:
    decision = decide(four, roles_of=by_likeness)
    ks = range(2, 9)
    assert sorted(decision.pairwise) == sorted(decision.roles) == list(ks)
    assert [score.metric for score in decision.pairwise[4]] == ["ssim", "gmsd", "mdsi", "psnr"]
    assert decision.pairwise[4][0].values.shape == (4, 4)
    assert curve(decision, "loss") == FALLING
    assert curve(decision, "n_crystals") == dict(zip(ks, [2, 3, 4, 4, 4, 4, 4], strict=True))
    assert curve(decision, "psnr_fidelity") == dict.fromkeys(ks, 100.0)
    names = {c.name for c in decision.curves}
    assert len(names) == len(decision.curves)
    shown = {f"{kind}_{metric}" for kind in ("nearest", "mean") for metric in ("ssim", "gmsd", "mdsi")}
    single = {"mean_psnr", "loss", "stability", "loss_log_second_difference", "psnr_fidelity", "n_crystals"}
    assert names == shown | single
    nearest = curve(decision, "nearest_gmsd")
    assert nearest[4] == max(nearest.values())


@pytest.mark.parametrize(("k", "redundant"), [(3, 0), (6, 2), (1, 0)])
def test_k_of_the_user_is_the_decision(four: Sweep, k: int, redundant: int) -> None:
    decision = decide(four, roles_of=by_likeness, k=k)
    automatic = decide(four, roles_of=by_likeness)
    assert (decision.k, decision.n_crystals) == (k, min(k, 4))
    assert decision.reason.startswith(f"k was set to {k} by the user, the rule would have chosen 4;")
    assert k in decision.pairwise
    assert k in decision.roles
    assert (decision.k_low, decision.k_high) == (2, 8)
    assert decision.votes == automatic.votes
    assert (f"{redundant} pairs of components" in decision.reason) == (redundant > 0)


def test_k_of_the_user_that_agrees_with_the_rule(four: Sweep) -> None:
    decision = decide(four, roles_of=by_likeness, k=4)
    assert decision.reason.startswith("k was set to 4 by the user, as the rule would have done; with 4 crystals")
    assert decision.confidence == "high"


def test_k_that_was_not_fitted_is_refused(four: Sweep) -> None:
    with pytest.raises(UsageError, match="k = 9 was not fitted: the sweep holds k = 1 to 8"):
        decide(four, roles_of=by_likeness, k=9)


def test_roles_are_asked_for_once_for_each_k(four: Sweep) -> None:
    asked: list[int] = []

    def roles_of(fit: Factorization) -> ComponentRoles:
        asked.append(fit.k)
        return by_likeness(fit)

    decide(four, roles_of=roles_of, half_width=1)
    assert sorted(asked) == [3, 4, 5]


@pytest.mark.parametrize(
    ("at_five", "at_six", "expected"), [(4, 4, "high"), (4, 5, "medium"), (3, 4, "medium"), (5, 6, "low")]
)
def test_confidence_falls_as_crystal_counts_differ(four: Sweep, at_five: int, at_six: int, expected: str) -> None:
    counts = {2: 2, 3: 4, 4: 4, 5: at_five, 6: at_six, 7: 4, 8: 4}
    decision = decide(four, roles_of=scripted(counts))
    assert (decision.k, decision.confidence) == (4, expected)
    if expected == "low":
        assert "Uncertain: between 4 and 6 crystals." in decision.reason
        assert "Uncertain: between 4 and 6 crystals" in decision.warnings


def test_confidence_falls_as_the_metrics_disagree_with_k(four: Sweep) -> None:
    counts = dict.fromkeys(range(1, 9), 2) | {1: 1}
    assert decide(four, roles_of=scripted(counts), k=5).confidence == "medium"
    decision = decide(four, roles_of=scripted(counts), k=7)
    assert decision.confidence == "low"
    assert "Uncertain: between 4 and 7 components, though 2 crystals with any of them." in decision.reason


def test_the_end_of_the_range_is_said_and_lowers_the_confidence(make_sweep: MakeSweep) -> None:
    patterns = np.array([spots(seed) for seed in range(7)])
    losses = {1: 10.0, 2: 5.0, 3: 1.0, 4: 0.9, 5: 0.8, 6: 0.7, 7: 0.6}
    sweep = make_sweep(patterns, {k: range(k) for k in range(1, 8)}, losses)
    decision = decide(sweep, roles_of=scripted(dict.fromkeys(range(2, 8), 2)))
    assert (decision.k, decision.confidence) == (7, "medium")
    assert "the end of the range" in decision.reason


def test_a_flat_score_takes_the_smallest_k(make_sweep: MakeSweep) -> None:
    # Method, section 11.12: patterns that are all alike give k = 2 with redundant pairs, and here one crystal.
    alike = np.array([spots(0)] * 6)
    sweep = make_sweep(alike, {k: range(k) for k in range(2, 7)}, dict.fromkeys(range(2, 7), 1.0))
    decision = decide(sweep, roles_of=by_likeness)
    assert (decision.k, decision.n_crystals, decision.confidence) == (2, 1, "high")
    assert "falls without an elbow" in decision.reason
    assert "same for every k" in decision.reason
    assert "1 pair of components" in decision.reason
    assert {"ssim", "gmsd", "mdsi", "knee"}.isdisjoint(decision.votes)


def test_one_crystal_is_k_1(make_sweep: MakeSweep) -> None:
    alike = np.array([spots(0)] * 8) * np.linspace(1, 0.9, 8)[:, None, None]
    sweep = make_sweep(alike, {k: range(k) for k in range(1, 9)}, STRAIGHT)
    decision = decide(sweep, roles_of=by_likeness)
    assert (decision.k, decision.n_crystals, decision.confidence) == (1, 1, "high")
    assert decision.reason.startswith("k = 1 component with one crystal among them.")
    assert "No second component stands out as a pattern of its own." in decision.reason
    assert decision.pairwise[1][0].values.shape == (1, 1)


def test_one_crystal_on_a_background_is_k_2(make_sweep: MakeSweep) -> None:
    film = np.full((SIDE, SIDE), 50.0)
    patterns = np.array([spots(0) + film, film, *[spots(0) + film] * 6])
    sweep = make_sweep(patterns, {k: range(k) for k in range(1, 9)}, STRAIGHT)
    decision = decide(sweep, roles_of=by_likeness)
    assert (decision.k, decision.n_crystals) == (2, 1)
    assert "No second component" in decision.reason


def test_no_elbow_alone_does_not_make_one_crystal(make_sweep: MakeSweep) -> None:
    # k = 2 shows one crystal and the film, but larger k show four.
    film = np.full((SIDE, SIDE), 50.0)
    patterns = np.array([film, *(p + film for p in FOUR), *(p + film for p in FOUR[:3])])
    sweep = make_sweep(patterns, {k: range(k) for k in range(1, 9)}, STRAIGHT)
    decision = decide(sweep, roles_of=by_likeness)
    assert decision.roles[2].n_crystals == 1
    assert decision.n_crystals == 4
    assert decision.confidence != "high"
    assert "falls without an elbow" in decision.reason
    assert "No second component" not in decision.reason


def test_nothing_but_background(make_sweep: MakeSweep) -> None:
    films = np.full((4, SIDE, SIDE), 50.0) * np.arange(1, 5)[:, None, None]
    sweep = make_sweep(films, {k: range(k) for k in range(1, 5)}, {k: STRAIGHT[k] for k in range(1, 5)})
    decision = decide(sweep, roles_of=by_likeness)
    assert decision.n_crystals == 0
    assert "no crystal, nothing but background, vacuum or noise" in decision.reason


def test_a_sweep_of_one_k(make_sweep: MakeSweep) -> None:
    for k in (1, 3):
        decision = decide(make_sweep(PATTERNS, {k: range(k)}), roles_of=by_likeness)
        assert (decision.k, decision.n_crystals, decision.k_low, decision.k_high) == (k, k, k, k)
        assert f"Nothing but k = {k} was compared." in decision.reason


def test_a_poor_fit_is_warned_of(four: Sweep) -> None:
    # Half the light is missing everywhere: 10 log10(1 / mean((v / 2)^2)) with v relative to the brightest pixel.
    halved = {k: replace(fit, weights=fit.weights / 2) for k, fit in four.fits.items()}
    decision = decide(replace(four, fits=halved), roles_of=by_likeness)
    relative = FOUR[0] / FOUR[0].max()
    assert curve(decision, "psnr_fidelity")[2] == pytest.approx(
        np.mean([-10 * np.log10(np.mean((p / p.max() / 2) ** 2)) for p in FOUR[:2]]), rel=1e-6
    )
    assert 10 < -10 * np.log10(np.mean((relative / 2) ** 2)) < 30
    (warning,) = decision.warnings
    assert warning.startswith("under-fitted, or the single patterns are noisy: at k = 4")


def test_small_patterns_decide_without_ssim(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(PATTERNS[:, :10, :10], {k: range(k) for k in range(1, 9)}, FALLING)
    decision = decide(sweep, roles_of=by_likeness)
    assert "ssim" not in decision.votes
    assert any("ssim needs 11" in warning for warning in decision.warnings)
    assert "ssim needs 11" in decision.reason


def test_options_reach_the_rule(four: Sweep) -> None:
    decision = decide(
        four,
        roles_of=by_likeness,
        half_width=1,
        exemplar="data",
        aggregate="mean",
        elbow="second_difference",
        executor=Threads(2),
    )
    assert (decision.k_low, decision.k_high) == (3, 5)
    deciding = [c.name for c in decision.curves[:3]]
    assert deciding == ["mean_ssim", "mean_gmsd", "mean_mdsi"]
    assert decision.k == decision.votes["gmsd"] == 3  # fewer components, fewer chances of a similar pair


def permuted(fit: Factorization, order: Sequence[int]) -> Factorization:
    return replace(fit, components=fit.components[list(order)], weights=fit.weights[:, list(order)])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.sampled_from([1.0, 0.5, 64.0]))
def test_order_of_components_and_dose_change_nothing(four: Sweep, random: Random, dose: float) -> None:
    mixed = {}
    for k, fit in four.fits.items():
        order = random.sample(range(k), k)
        mixed[k] = permuted(replace(fit, weights=fit.weights * np.float32(dose)), order)
    matrix = replace(four.matrix, read_block=lambda i: four.matrix.read_block(i) * np.float32(dose))
    one = decide(four, roles_of=by_likeness)
    other = decide(replace(four, fits=mixed, matrix=matrix), roles_of=by_likeness)
    assert (other.k, other.n_crystals, other.confidence) == (one.k, one.n_crystals, one.confidence)
    assert other.reason == one.reason
    assert other.votes == one.votes
    for name in ("nearest_ssim", "nearest_gmsd", "nearest_mdsi", "mean_ssim", "psnr_fidelity"):
        assert curve(other, name) == pytest.approx(curve(one, name), rel=1e-9)


def test_stability_is_the_agreement_of_starts_where_there_were_several(four: Sweep) -> None:
    known = {k: replace(fit, stability=1 - 0.1 * k) for k, fit in four.fits.items() if k > 3}
    curve = Stability().curve(replace(four, fits=dict(four.fits) | known))
    assert dict(zip(curve.ks, curve.values, strict=True)) == {k: fit.stability for k, fit in known.items()}
    assert curve.choice is None
    assert curve.better == "higher"


def test_a_k_on_which_the_starts_do_not_agree_is_not_chosen(four: Sweep) -> None:
    def decided(stability: dict[int, float]) -> int:
        fits = {k: replace(fit, stability=stability.get(k, 1.0)) for k, fit in four.fits.items()}
        return decide(replace(four, fits=fits), roles_of=by_likeness).k

    assert decided({}) == 4
    assert decided({4: 0.9}) != 4
    assert decided(dict.fromkeys(four.ks, 0.9)) == 4  # if they agree on none, the criteria decide
