"""The whole comparison: what is shared, what is left out, and what is kept."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from unmix4d import compare_filters, unmix
from unmix4d.checkpoint import Checkpoint
from unmix4d.comparing import resume
from unmix4d.errors import InputError, Unmix4dWarning, UsageError
from unmix4d.filter_study.runs import pack_starts, unpack_starts
from unmix4d.read import identity
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.records import Scan

SPEC = PhantomSpec(scan_shape=(12, 14), pattern_shape=(32, 32), n_crystals=2, n_minority=0, spot_sigma=0.03)
QUICK = {"k_max": 3, "threads": 1, "starts": "spa"}

pytestmark = pytest.mark.filterwarnings("ignore::unmix4d.errors.Unmix4dWarning")


class Counted:
    """A scan on a slow disk: it counts how often each line is read."""

    def __init__(self, patterns):
        self.patterns, self.shape, self.dtype = patterns, patterns.shape, patterns.dtype
        self.reads = np.zeros(patterns.shape[0], dtype=int)

    def __getitem__(self, key):
        rows = key[0] if isinstance(key, tuple) else key
        self.reads[rows] += 1
        return self.patterns[key]


@pytest.fixture(scope="module")
def scan():
    return make_phantom(SPEC).scan


def test_the_file_is_read_once_and_looked_at_once(scan, monkeypatch):
    counted, digests = Counted(np.asarray(scan.patterns)), []
    digest = identity._add_patterns
    monkeypatch.setattr(identity, "_add_patterns", lambda *what: (digests.append(1), digest(*what)))
    surveys = []
    slow = Scan(patterns=counted, geometry=scan.geometry)
    digest_reads = np.zeros_like(counted.reads)
    study = compare_filters(
        slow, filters="raw,mean", **QUICK, progress=lambda stage, done, _: surveys.append((stage, done))
    )
    for i in identity._spread(scan.geometry.n_probes):
        digest_reads[i // scan.geometry.scan_shape[1]] += 1
    assert len(digests) == 1
    np.testing.assert_array_equal(counted.reads - digest_reads, 1)
    assert [stage for stage, done in surveys if done == 0 and stage == "survey"] == ["survey"]
    assert "all patterns were read once and held in memory (0 MiB)" in study.comparison.shared


def test_every_run_is_that_of_unmix(scan):
    study = compare_filters(scan, filters=("mean", "raw"), **QUICK)
    for name in ("mean", "raw"):
        own, alone = study.result(name), unmix(scan, filter=name, **QUICK).result
        np.testing.assert_array_equal(own.clusters.labels, alone.clusters.labels)
        np.testing.assert_array_equal(own.factorization.weights, alone.factorization.weights)
        assert own.record.settings == alone.record.settings
        assert own.record.source_digest == alone.record.source_digest
        assert study.comparison.answer(name).losses == {k: fit.loss for k, fit in alone.fits.items()}
    assert study.comparison.names == ("mean", "raw")
    assert study.comparison.reference == "raw"


def test_a_filter_that_cannot_be_used_is_left_out_and_named(scan):
    even = replace(scan, patterns=np.random.default_rng(0).poisson(3, scan.patterns.shape).astype(np.uint16))
    study = compare_filters(even, filters="epattern,raw", **QUICK)
    assert study.comparison.names == ("raw",)
    assert "finds no spot" in study.comparison.refused["epattern"]
    with pytest.raises(InputError):
        compare_filters(replace(scan, patterns=np.zeros_like(scan.patterns)), filters="raw,mean", **QUICK)


def test_bad_options_are_refused_before_any_work(scan, tmp_path):
    with pytest.raises(UsageError, match="--k 500 is more than this scan allows"):
        compare_filters(scan, filters="raw,mean", k=500)
    with pytest.raises(UsageError, match="this scan is in memory"):
        compare_filters(scan, filters="raw,mean", checkpoint=tmp_path / "kept", **QUICK)
    assert not list(tmp_path.iterdir())


def test_finished_runs_are_kept_and_not_done_again(scan, tmp_path):
    path, kept = tmp_path / "scan.npy", Checkpoint(tmp_path / "kept")
    np.save(path, scan.patterns)

    def stop(stage, _done, _total):
        if stage == "mean":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_filters(path, filters="raw,mean", checkpoint=kept.folder, progress=stop, **QUICK)
    assert kept.steps() == ("raw/starts", "survey")
    assert (kept.folder / "raw" / "report.html").is_file()
    written = (kept.folder / "raw" / "result.h5").stat().st_mtime_ns
    stages = []
    study = resume(kept.folder, progress=lambda stage, done, _: stages.append((stage, done)))
    assert [done for stage, done in stages if stage == "raw"] == [1]
    whole = compare_filters(path, filters="raw,mean", **QUICK).comparison
    assert study.comparison.advice == whole.advice
    assert study.comparison.overlaps == whole.overlaps
    for one, other in zip(study.comparison.answers, whole.answers, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.start_losses == other.start_losses
        assert one.losses == other.losses
    study.save(tmp_path / "out")
    assert (tmp_path / "out" / "raw" / "result.h5").stat().st_mtime_ns == written
    assert study.result("mean").decision.k == study.comparison.answer("mean").decision.k
    kept.remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "scan.npy"]


def test_only_what_the_machine_needs_may_be_new_when_resumed(scan, tmp_path):
    path, kept = tmp_path / "scan.npy", Checkpoint(tmp_path / "kept")
    np.save(path, scan.patterns)
    from unmix4d.api import open_scan
    from unmix4d.config import Settings
    from unmix4d.filter_study.settings import StudySettings
    from unmix4d.filter_study.study import resumed_settings

    kept.begin(open_scan(path), StudySettings(filters="raw,mean"))
    assert resumed_settings(kept, threads=3).threads == 3
    with pytest.raises(UsageError, match="keep: got all, but the comparison to resume has range"):
        resumed_settings(kept, keep="all")
    with pytest.raises(UsageError, match="filters: got raw,epattern, but the run to resume has raw,mean"):
        resumed_settings(kept, filters="raw,epattern")
    kept.begin(open_scan(path), Settings())
    with pytest.raises(UsageError, match="that of a single run: go on with unmix4d run --resume"):
        resumed_settings(kept)


def test_starts_come_back():
    starts = {1: {"spa": 0.5, "warm": 0.25}, 3: {"spa": 0.125}}
    assert unpack_starts(pack_starts(starts)) == starts
    assert unpack_starts(pack_starts({})) == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", Unmix4dWarning)
        assert unpack_starts(pack_starts({2: {}})) == {}
