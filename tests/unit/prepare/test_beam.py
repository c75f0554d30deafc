"""The direct beam and the vacuum."""

import numpy as np
import pytest

from unmix4d.errors import UsageError
from unmix4d.execute import Serial
from unmix4d.prepare.beam import find_beam, find_vacuum
from unmix4d.prepare.chain import prepare
from unmix4d.prepare.filters import Raw
from unmix4d.records import Geometry, Scan


def spot(center, sigma, shape=(64, 64), height=100.0):
    y, x = np.indices(shape)
    return height * np.exp(-((y - center[0]) ** 2 + (x - center[1]) ** 2) / (2 * sigma**2))


def test_centre_and_radius_of_a_gaussian_beam():
    beam = find_beam(spot((33.3, 30.6), 4.0) + spot((10, 12), 2.0, height=50))
    assert beam is not None
    assert beam.center == pytest.approx((33.3, 30.6), abs=0.2)
    half = np.sqrt(2 * np.log(2)) * np.hypot(4.0, 1.0)
    assert beam.radius == pytest.approx(1.5 * half, rel=0.1)


def test_a_sharp_beam_gets_the_smallest_radius():
    beam = find_beam(spot((32, 32), 0.8))
    assert beam is not None
    assert beam.radius == 3.0


@pytest.mark.parametrize("pattern", [np.zeros((32, 32)), spot((2, 2), 2.0, (32, 32))])
def test_no_beam_near_the_centre(pattern):
    assert find_beam(pattern) is None


def test_vacuum_is_found_where_two_classes_are_far_apart():
    rng = np.random.default_rng(0)
    dark = rng.normal(1000, 50, (20, 20))
    dark[:, :5] = rng.normal(50, 5, (20, 5))
    vacuum = find_vacuum(dark, np.ones((20, 20), dtype=bool))
    assert vacuum[:, :5].all()
    assert not vacuum[:, 5:].any()


@pytest.mark.parametrize("low", [1000, 400])
def test_no_vacuum_in_one_class_or_in_two_that_are_close(low):
    rng = np.random.default_rng(0)
    dark = rng.normal(1000, 50, (20, 20))
    dark[:, :5] = rng.normal(low, 50, (20, 5))
    assert not find_vacuum(dark, np.ones((20, 20), dtype=bool)).any()


def test_few_probes_are_never_judged():
    assert not find_vacuum(np.array([[1.0, 1000.0]]), np.ones((1, 2), dtype=bool)).any()


def beam_scan():
    rng = np.random.default_rng(0)
    mean = spot((16, 16), 1.5, (32, 32), 200) + 1
    patterns = rng.poisson(mean, (6, 6, 32, 32)).astype(np.uint16)
    return Scan(patterns=patterns, geometry=Geometry(scan_shape=(6, 6), pattern_shape=(32, 32)))


def test_the_beam_is_masked_by_its_size_or_by_a_radius():
    ready = prepare(beam_scan(), executor=Serial())
    assert ready.beam_share() > 0.5
    auto = ready.matrix(filter=Raw(), beam="auto").pixel_mask
    wide = ready.matrix(filter=Raw(), beam=8.0).pixel_mask
    assert not auto[16, 16]
    assert auto[16, 25]
    assert (~wide).sum() == pytest.approx(np.pi * 64, rel=0.05)
    assert ready.matrix(filter=Raw()).pixel_mask.all()


def test_masking_a_beam_that_is_not_there_is_refused():
    patterns = np.ones((4, 4, 16, 16), dtype=np.uint8)
    patterns[..., 0, 0] = 200
    scan = Scan(patterns=patterns, geometry=Geometry(scan_shape=(4, 4), pattern_shape=(16, 16)))
    ready = prepare(scan, executor=Serial())
    assert any("no direct beam" in text for text in ready.survey.warnings)
    with pytest.raises(UsageError, match="--beam none"):
        ready.matrix(filter=Raw(), beam="auto")
