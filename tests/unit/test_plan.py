"""The memory plan: kept within the budget, or refused with the number that is needed."""

import re

import numpy as np
import pytest

from unmix4d.config import Settings
from unmix4d.errors import ResourceError
from unmix4d.plan import available_threads, free_memory, make_plan
from unmix4d.records import Geometry, Scan

GIB = 2**30


def scan_of(scan_shape, pattern_shape):
    patterns = np.broadcast_to(np.zeros(1, dtype=np.uint8), (*scan_shape, *pattern_shape))
    return Scan(patterns=patterns, geometry=Geometry(scan_shape=scan_shape, pattern_shape=pattern_shape))


def test_a_small_scan_is_kept_in_memory():
    plan = make_plan(scan_of((50, 50), (64, 64)), Settings(memory=4 * GIB, threads=2))
    assert plan.cached
    assert plan.matrix == 2500 * 4096  # as stored
    assert plan.needed + plan.cache <= plan.budget


def test_a_large_scan_is_read_again_in_every_pass():
    plan = make_plan(scan_of((256, 256), (256, 256)), Settings(memory=4 * GIB, threads=2))
    assert not plan.cached
    assert plan.needed <= plan.budget
    assert plan.n_blocks == -(-256 * 256 * 256 * 256 // plan.block)


def test_too_little_memory_is_refused_with_the_number_that_is_needed():
    scan = scan_of((256, 256), (256, 256))
    with pytest.raises(ResourceError, match="raise --memory") as refusal:
        make_plan(scan, Settings(memory=500 * 2**20))
    needed = int(re.search(r"at least (\d+) MiB", str(refusal.value)).group(1))
    assert make_plan(scan, Settings(memory=(needed + 1) * 2**20)).needed <= (needed + 1) * 2**20


def test_crop_and_bin_make_the_plan_smaller():
    scan = scan_of((100, 100), (128, 128))
    whole = make_plan(scan, Settings(memory=8 * GIB))
    part = make_plan(scan, Settings(memory=8 * GIB, crop=(0, 50, 0, 50), bin=2))
    assert part.matrix * 4 == whole.matrix  # binned counts are float32, stored ones bytes
    cropped = make_plan(scan, Settings(memory=8 * GIB, crop=(0, 50, 0, 50)))
    assert cropped.needed < whole.needed


def test_the_number_of_threads_does_not_change_the_blocks():
    scan = scan_of((256, 256), (256, 256))
    blocks = {make_plan(scan, Settings(memory=8 * GIB, threads=n)).block for n in (1, 2, 4)}
    assert len(blocks) == 1


def test_blocks_shrink_before_a_run_is_refused():
    scan = scan_of((256, 256), (256, 256))
    usual = make_plan(scan, Settings(memory=8 * GIB, threads=8))
    with pytest.raises(ResourceError) as refusal:
        make_plan(scan, Settings(memory=500 * 2**20, threads=8))
    least = int(re.search(r"at least (\d+) MiB", str(refusal.value)).group(1)) * 2**20
    tight = make_plan(scan, Settings(memory=(least + usual.needed) // 2, threads=8))
    assert tight.block < usual.block
    assert tight.needed <= tight.budget


def test_the_time_is_estimated_from_this_machine_and_grows_with_the_scan():
    small = make_plan(scan_of((64, 64), (64, 64)), Settings(memory=8 * GIB, threads=1), timed=True)
    large = make_plan(scan_of((512, 512), (128, 128)), Settings(memory=8 * GIB, threads=1), timed=True)
    assert 0 < small.seconds < large.seconds
    assert make_plan(scan_of((64, 64), (64, 64)), Settings(memory=8 * GIB)).seconds is None


def test_what_the_machine_offers_is_positive():
    assert available_threads() >= 1
    assert free_memory() > 2**20


def test_the_papers_procedure_counts_all_patterns_and_says_so():
    scan = scan_of((100, 100), (256, 256))
    sound = make_plan(scan, Settings(memory=8 * GIB, threads=2))
    paper = make_plan(scan, Settings(memory=8 * GIB, threads=2, mode="paper"))
    assert sound.dense == 0
    assert paper.dense > 100 * 100 * (256**2 + 128**2)  # 8-bit images of both sizes
    assert paper.needed == pytest.approx(sound.needed + paper.dense, rel=0.2)


@pytest.mark.parametrize(
    ("options", "why"), [({"mode": "paper"}, "--mode paper"), ({"solver": "mu-kl"}, "--solver mu-kl")]
)
def test_what_holds_all_patterns_is_refused_with_the_number_where_they_do_not_fit(options, why):
    scan = scan_of((512, 512), (256, 256))
    with pytest.raises(ResourceError, match=f"{why} holds all patterns in memory.* --bin or --crop") as refusal:
        make_plan(scan, Settings(memory=4 * GIB, **options))
    assert refusal.value.exit_code == 4
    needed = int(re.search(r"at least (\d+) MiB", str(refusal.value)).group(1))
    assert needed * 2**20 > 512 * 512 * 256 * 256
    make_plan(scan, Settings(memory=4 * GIB, crop=(0, 100, 0, 100), bin=2, **options))


def test_the_estimate_of_time_includes_the_papers_procedure():
    patterns = np.zeros((20, 20, 64, 64), dtype=np.uint8)
    scan = Scan(patterns=patterns, geometry=Geometry(scan_shape=(20, 20), pattern_shape=(64, 64)))
    sound, paper = (make_plan(scan, Settings(mode=mode), timed=True).seconds for mode in ("sound", "paper"))
    assert paper > sound


def test_filters_that_make_floats_and_look_at_neighbours_take_more():
    scan = scan_of((64, 64), (256, 256))
    needed = {
        name: make_plan(scan, Settings(memory=16 * GIB, threads=2, filter=name)).needed
        for name in ("raw", "epattern", "gated-mean", "mean")
    }
    assert needed["raw"] < needed["epattern"] < needed["gated-mean"] < needed["mean"]
    block = make_plan(scan, Settings(memory=16 * GIB, threads=2)).block
    floats = 4 * block  # of bytes, and a line of 64 patterns to each side
    assert needed["gated-mean"] - needed["raw"] > 3 * 3 * floats


def test_a_table_of_spots_has_its_place_in_the_plan():
    few, many = scan_of((64, 64), (128, 128)), scan_of((256, 256), (128, 128))
    grown = {
        name: make_plan(many, Settings(memory=16 * GIB, filter=name)).needed
        - make_plan(few, Settings(memory=16 * GIB, filter=name)).needed
        for name in ("raw", "epattern")
    }
    assert grown["epattern"] - grown["raw"] >= (256**2 - 64**2) * 40 * 21
