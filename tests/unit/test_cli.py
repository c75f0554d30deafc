"""The command line against a fake of what does the work: arguments in, text and exit code out."""

import errno
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from unmix4d import __version__, cli, registry
from unmix4d.cli import commands
from unmix4d.cli.answers import Progress
from unmix4d.config import Settings
from unmix4d.errors import InputError, ResourceError, ResumableInterrupt, Unmix4dWarning, UsageError

Capture = pytest.CaptureFixture[str]
DECISION = SimpleNamespace(
    n_crystals=5,
    k=7,
    k_low=3,
    k_high=11,
    confidence="low",
    reason="the criteria disagree: 6 or 7",
    warnings=("k is uncertain",),
)


@dataclass
class FakeRun:
    """What a run gives back; remembers where it was saved."""

    decision: SimpleNamespace = field(default_factory=lambda: DECISION)
    paper: SimpleNamespace | None = None
    result: str = "the result"
    saved: list[tuple[Path, bool]] = field(default_factory=list)
    refused: Exception | None = None
    followed: list[Path | None] = field(default_factory=list)
    drawn: list[Path] = field(default_factory=list)

    def edited(self, edits: Path | None) -> "FakeRun":
        self.followed.append(edits)
        return self

    def figures(self, folder: Path) -> Path:
        self.drawn.append(folder)
        return folder

    def save(self, folder: Path, *, overwrite: bool = False) -> Path:
        if self.refused:
            raise self.refused
        self.saved.append((folder, overwrite))
        return folder

    def report(self, path: Path) -> Path:
        return path


@dataclass
class FakeCheckpoint:
    """Stands for what is kept of a run of ``kept.npy`` with k_max = 5."""

    folder: Path = Path("somewhere.unfinished")
    finished: tuple[str, ...] = ()
    removed: bool = False

    def steps(self) -> tuple[str, ...]:
        return self.finished

    def source(self) -> Path:
        return Path("kept.npy")

    def settings(self, **given: str) -> Settings:
        return Settings(k_max=5).updated(**given)

    @contextmanager
    def working(self) -> Iterator[None]:
        yield

    def remove(self) -> None:
        self.removed = True


@dataclass
class FakeApi:
    """Stands for unmix4d.api; ``work`` is what unmix does while it runs."""

    work: Callable[[], None] = lambda: None
    refused: Exception | None = None
    run: FakeRun = field(default_factory=FakeRun)
    unmixed: list[tuple[object, Settings]] = field(default_factory=list)
    opened: list[tuple[Path, dict[str, object]]] = field(default_factory=list)
    checked: list[tuple[Path, bool]] = field(default_factory=list)
    kept: FakeCheckpoint = field(default_factory=FakeCheckpoint)
    kept_for: list[Path] = field(default_factory=list)
    resumed: list[tuple[Path, Path | None, dict[str, object]]] = field(default_factory=list)

    @property
    def Run(self) -> SimpleNamespace:  # noqa: N802 - the name in unmix4d.api
        return SimpleNamespace(load=lambda _folder: self.run, resume=self.resume)

    def resume(self, checkpoint: Path, source: Path | None, *, progress: Progress, **given: object) -> FakeRun:
        progress("factorise", 0, 2)
        self.work()
        self.resumed.append((checkpoint, source, given))
        return self.run

    def unfinished(self, out: Path) -> FakeCheckpoint:
        self.kept_for.append(out)
        return self.kept

    def check_output(self, folder: Path, *, overwrite: bool = False) -> None:
        self.checked.append((folder, overwrite))
        if self.refused:
            raise self.refused

    def unmix(
        self, source: object, settings: Settings, *, progress: Progress, checkpoint: Path | None = None
    ) -> FakeRun:
        assert checkpoint == (None if str(source).startswith("phantom") else self.kept.folder)
        for done in range(3):
            progress("factorise", done, 2)
        self.work()
        self.unmixed.append((source, settings))
        return self.run

    def plan(self, source: Path, settings: Settings) -> dict[str, object]:
        return {"scan": str(source), "blocks": 4, "k_max": settings.k_max}

    def open_scan(self, source: Path, **reading: object) -> str:
        self.opened.append((source, reading))
        return "a scan"

    def describe(self, scan: str) -> dict[str, object]:
        return {"what": scan, "scan_shape": (3, 4), "scan_step_nm": None, "field": [1 / 3, 2.0], "notes": []}

    def make_demo_scan(self, seed: int) -> str:
        return f"phantom {seed}"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    fake = FakeApi()
    monkeypatch.setattr(commands, "_api", lambda: fake)
    monkeypatch.delenv("UNMIX4D_DEBUG", raising=False)
    return fake


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_run_says_how_many_crystals_why_and_where_the_report_is(api: FakeApi, capsys: Capture) -> None:
    assert cli.exit_code(["run", "scan.hspy", "-o", "folder", "--overwrite"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "5 crystals in 7 components (k = 7), confidence low",
        "reason: the criteria disagree: 6 or 7",
        f"report: {Path('folder') / 'report.html'}",
    ]
    assert api.unmixed == [(Path("scan.hspy"), Settings())]
    assert api.checked == api.run.saved == [(Path("folder"), True)]


def test_run_with_json_prints_one_object_and_nothing_else(api: FakeApi, capsys: Capture) -> None:
    assert cli.exit_code(["run", "scan.hspy", "-o", "folder", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "n_crystals": 5,
        "k": 7,
        "k_low": 3,
        "k_high": 11,
        "confidence": "low",
        "reason": "the criteria disagree: 6 or 7",
        "warnings": ["k is uncertain"],
        "folder": "folder",
        "report": str(Path("folder") / "report.html"),
    }
    assert len(api.unmixed) == 1


def test_run_says_what_the_procedure_of_the_paper_finds_if_it_was_asked(api: FakeApi, capsys: Capture) -> None:
    agreement = SimpleNamespace(share=0.875)
    api.run.paper = SimpleNamespace(n_crystals=1, k=8, k_how="median of four", agreement=agreement)
    assert cli.exit_code(["run", "scan.hspy", "-o", "folder", "--mode", "paper"]) == 0
    said = "the paper's procedure: 1 crystal in 8 components (k = 8); 87.5% of the probes as here"
    assert said in capsys.readouterr().out.splitlines()
    assert cli.exit_code(["run", "scan.hspy", "-o", "folder", "--mode", "paper", "--json"]) == 0
    told = {"n_crystals": 1, "k": 8, "k_how": "median of four", "agreement": 0.875}
    assert json.loads(capsys.readouterr().out)["paper"] == told


def test_a_list_may_be_given_by_repeating_its_option(api: FakeApi) -> None:
    assert cli.exit_code(["run", "scan.hspy", "--starts", "spa", "--starts", "random,warm"]) == 0
    assert [settings.starts for _, settings in api.unmixed] == [("spa", "random", "warm")]


def test_the_default_folder_is_named_after_the_scan(api: FakeApi, tmp_path: Path) -> None:
    assert cli.exit_code(["run", str(tmp_path / "scan.hspy")]) == 0
    assert api.run.saved == [(Path("scan-run"), False)]


def test_every_setting_is_an_option_of_run(api: FakeApi) -> None:
    given = {
        "scan_shape": "95,165", "scan_step": "2.5", "voltage": "200", "camera_length": "100", "pixel": "55",
        "dataset": "/a/b", "filter": "mean", "crop": "0,9,1,8", "bin": "2", "beam": "auto", "mask": "mask.npy",
        "hot_pixels": "none", "offset": "2.5", "descan": "none", "saturation": "none",
        "vacuum": "none", "nan": "zero", "negative": "shift", "weighting": "none", "solver": "multiplicative",
        "starts": "spa,random", "l1": "0.1", "max_iter": "50", "tol": "1e-3", "k": "8", "k_min": "2",
        "k_max": "12", "mode": "paper", "background": "3", "crystals": "merged", "compare_to": "raw", "keep": "all",
        "gate": "0.05", "spot_background": "ball", "spot_radius": "2.5", "threads": "2", "memory": "8GB",
        "seed": "5", "workers": "2", "trajectory": "1,2,8,9",
    }  # fmt: skip
    assert given.keys() | {"pattern_step", "scheduler"} == Settings.model_fields.keys()
    options = [part for name, text in given.items() for part in (f"--{name.replace('_', '-')}", text)]
    assert cli.exit_code(["run", "scan.hspy", *options]) == 0
    assert cli.exit_code(["run", "scan.hspy", "--pattern-step", "0.01", "--scheduler", "tcp://a:1"]) == 0
    others = Settings(pattern_step=0.01, scheduler="tcp://a:1")
    assert [settings for _, settings in api.unmixed] == [Settings(**given), others]


def test_options_go_before_those_of_the_config_file(api: FakeApi, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("k_max: 12\nseed: 3\n", encoding="utf-8")
    assert cli.exit_code(["run", "scan.hspy", "--config", str(config), "--k-max", "9"]) == 0
    assert [settings for _, settings in api.unmixed] == [Settings(k_max=9, seed=3)]


def test_dry_run_prints_the_plan_and_does_no_work(api: FakeApi, capsys: Capture) -> None:
    assert cli.exit_code(["run", "scan.hspy", "--dry-run", "--k-max", "9"]) == 0
    assert capsys.readouterr().out.splitlines() == ["scan    scan.hspy", "blocks  4", "k_max   9"]
    assert cli.exit_code(["run", "scan.hspy", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"scan": "scan.hspy", "blocks": 4, "k_max": 20}
    assert not api.unmixed
    assert not api.run.saved


def test_the_plan_is_in_units_for_people_and_in_numbers_for_programs(
    api: FakeApi, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = {
        "budget": 3 * 2**30, "cache": 0, "block": 33554432, "worker_bytes": 1536, "seconds": 125.4,
        "pass_seconds": 3.25, "n_blocks": 7, "cached": True, "note": "budget",
    }  # fmt: skip
    monkeypatch.setattr(api, "plan", lambda _source, _settings: plan, raising=False)
    assert cli.exit_code(["run", "scan.hspy", "--dry-run"]) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert said == {
        "budget": "3.0 GiB", "cache": "0.0 MiB", "block": "32.0 MiB", "worker_bytes": "0.0 MiB",
        "seconds": "2 min 5 s", "pass_seconds": "3.2 s", "n_blocks": "7", "cached": "True", "note": "budget",
    }  # fmt: skip
    assert cli.exit_code(["run", "scan.hspy", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == plan


def test_a_finished_run_removes_what_was_kept(api: FakeApi) -> None:
    assert cli.exit_code(["run", "scan.hspy", "-o", "folder"]) == 0
    assert api.kept_for == [Path("folder")]
    assert api.kept.removed


def test_resume_needs_no_scan_and_writes_the_folder(api: FakeApi, capsys: Capture) -> None:
    assert cli.exit_code(["run", "--resume", "folder", "--threads", "2", "--quiet"]) == 0
    assert api.resumed == [(api.kept.folder, None, {"threads": "2"})]
    assert (api.kept_for, api.run.saved) == ([Path("folder")], [(Path("folder"), False)])
    assert api.kept.removed
    assert capsys.readouterr().out.endswith(f"report: {Path('folder') / 'report.html'}\n")


def test_resume_passes_on_the_scan_and_what_a_config_file_names(api: FakeApi, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("k_max: 5\nseed: 3\n", encoding="utf-8")
    command = ["run", "scan.npy", "--resume", "out", "--overwrite", "--config", str(config), "--seed", "4"]
    assert cli.exit_code(command) == 0
    assert api.resumed == [(api.kept.folder, Path("scan.npy"), {"k_max": 5, "seed": "4"})]
    assert api.checked == api.run.saved == [(Path("out"), True)]


def test_dry_run_of_resume_plans_with_what_was_kept(api: FakeApi, capsys: Capture) -> None:
    assert cli.exit_code(["run", "--resume", "out", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"scan": "kept.npy", "blocks": 4, "k_max": 5}
    assert not api.resumed
    assert not api.kept.removed


@pytest.mark.parametrize(
    ("arguments", "again"),
    [
        (["run", "scan.npy", "-o", "out", "--json"], "unmix4d run --resume out"),
        (["run", "scan.npy", "-o", "my out", "--overwrite"], "unmix4d run --resume 'my out' --overwrite"),
        (["run", "--resume", "out"], "unmix4d run --resume out"),
    ],
)
def test_an_interrupt_says_on_stderr_how_to_go_on(
    api: FakeApi, capsys: Capture, arguments: list[str], again: str
) -> None:
    api.work = raising(KeyboardInterrupt())
    api.kept.finished = ("survey",)
    assert cli.exit_code([*arguments, "--quiet"]) == 5
    assert capsys.readouterr() == ("", f"interrupted; go on with: {again}\n")
    assert not api.kept.removed


def test_a_full_disk_at_the_end_loses_no_work(api: FakeApi, capsys: Capture) -> None:
    api.kept.finished = ("survey", "fit")
    api.run.refused = ResourceError("out could not be written: the disk is full")
    assert cli.exit_code(["run", "scan.npy", "-o", "out", "--quiet"]) == 4
    assert capsys.readouterr().err.splitlines() == [
        "finished steps are kept; go on with: unmix4d run --resume out",
        "error: out could not be written: the disk is full",
    ]
    assert not api.kept.removed


def test_demo_runs_the_phantom_of_its_seed(api: FakeApi, capsys: Capture) -> None:
    assert cli.exit_code(["demo", "--seed", "7", "-o", "here"]) == 0
    assert api.unmixed == [("phantom 7", Settings(seed=7))]
    assert api.run.saved == [(Path("here"), False)]
    assert f"report: {Path('here') / 'report.html'}" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["run", "scan.hspy", "-o", "here"], ["demo", "-o", "here"]])
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(
    api: FakeApi, capsys: Capture, command: list[str]
) -> None:
    api.refused = UsageError("here holds an earlier run: use --overwrite")
    assert cli.exit_code(command) == 2
    assert capsys.readouterr().err == "error: here holds an earlier run: use --overwrite\n"
    assert not api.unmixed


def test_info_passes_on_only_the_reading_options_that_were_given(api: FakeApi, capsys: Capture) -> None:
    assert cli.exit_code(["info", "scan.mib", "--scan-shape", "3,4"]) == 0
    assert api.opened == [(Path("scan.mib"), {"scan_shape": (3, 4)})]
    assert capsys.readouterr().out.splitlines() == [
        "what          a scan",
        "scan_shape    3, 4",
        "scan_step_nm  unknown",
        "field         0.333333, 2",
        "notes         none",
    ]
    assert cli.exit_code(["info", "scan.mib", "--json"]) == 0
    expected = {"what": "a scan", "scan_shape": [3, 4], "scan_step_nm": None, "field": [1 / 3, 2.0], "notes": []}
    assert json.loads(capsys.readouterr().out) == expected


def test_report_says_where_it_wrote(api: FakeApi, capsys: Capture) -> None:
    assert cli.exit_code(["report", "folder"]) == 0
    assert capsys.readouterr().out == f"report: {Path('folder') / 'report.html'}\n"
    assert not api.unmixed
    assert api.run.drawn == [Path("folder") / "figures"]


@pytest.mark.parametrize(
    ("options", "followed"),
    [([], [None]), (["--edits", "mine.yaml"], [Path("mine.yaml")]), (["--no-edits"], [])],
)
def test_edits_of_the_folder_those_of_a_file_or_none(
    api: FakeApi,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    options: list[str],
    followed: list[Path | None],
) -> None:
    monkeypatch.setattr(commands, "_registry", lambda: SimpleNamespace(load=lambda _group, _name: FakeExporter))
    for command in (["report"], ["export", "--to", "fake", "-o", str(tmp_path)]):
        api.run.followed.clear()
        assert cli.exit_code([*command, "folder", *options]) == 0
        assert api.run.followed == followed


def test_a_file_of_edits_and_no_edits_exclude_each_other(api: FakeApi, capsys: Capture) -> None:
    assert cli.exit_code(["report", "folder", "--edits", "mine.yaml", "--no-edits"]) == 2
    assert "--edits and --no-edits exclude each other" in capsys.readouterr().err
    assert not api.run.followed


class FakeExporter:
    """Notes down what it was asked to write."""

    def write(self, result: str, path: Path, /) -> None:
        (path / "fake.txt").write_text(result, encoding="utf-8")


def test_export_writes_into_a_new_folder(
    api: FakeApi, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_registry", lambda: SimpleNamespace(load=lambda _group, _name: FakeExporter))
    folder = tmp_path / "deep" / "folder"
    assert cli.exit_code(["export", "run", "--to", "fake", "-o", str(folder)]) == 0
    assert (folder / "fake.txt").read_text(encoding="utf-8") == api.run.result
    assert capsys.readouterr().out == f"written into: {folder}\n"


def test_export_refuses_a_file_as_its_folder(api: FakeApi, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert cli.exit_code(["export", "run", "--to", "csv", "-o", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'file'} is a file; give the name of a folder\n"
    assert api.run.result == "the result"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UsageError("k is too large"), 2, "error: k is too large"),
        (InputError("scan.mib holds 120 patterns"), 3, "error: scan.mib holds 120 patterns"),
        (ResourceError("no room"), 4, "error: no room"),
        (ResumableInterrupt("interrupted; go on"), 5, "interrupted; go on"),
        (MemoryError(), 4, "error: not enough memory: try --memory, --bin or --crop"),
        (OSError(errno.ENOSPC, "No space left", "a.h5"), 4, "error: the disk is full (a.h5): make room or"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 4, "error: no permission (x): choose another"),
        (OSError("odd"), 1, "internal error: OSError: odd; please report; run with UNMIX4D_DEBUG=1"),
        (ValueError("odd\nlines"), 1, "internal error: ValueError: odd lines; please report; run with"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_an_exit_code(
    api: FakeApi, capsys: Capture, error: BaseException, code: int, words: str
) -> None:
    api.work = raising(error)
    assert cli.exit_code(["run", "scan.hspy", "--quiet", "--json"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(words)
    assert said.err.count("\n") == 1
    assert not api.run.saved


def test_debug_shows_the_traceback(api: FakeApi, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMIX4D_DEBUG", "1")
    api.work = raising(ValueError("odd"))
    assert cli.exit_code(["run", "scan.hspy"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "error: missing argument SCAN: give a file or folder to run on, or --resume OUT"),
        (["run", "--resume", "out", "-o", "out"], "error: --resume OUT names the folder to write: leave --out out"),
        (["run", "--resume", "out", "--k-max", "0"], "error: k_max: got '0', expected a whole number"),
        (["run", "s.npy", "--workers", "2", "--scheduler", "tcp://a:1"], "error: workers and scheduler say twice"),
        (["run", "scan.hspy", "--kmax", "3"], "error: No such option"),
        (["run", "scan.hspy", "--k-max", "eight"], "error: k_max: got 'eight', expected a whole number"),
        (["run", "scan.hspy", "--crop", "5,2,0,3"], "error: crop: 5,2,0,3 is empty or reversed"),
        (
            ["run", "scan.hspy", "--filter", "men"],
            "error: no unmix4d.filters named 'men'; known: epattern, gated-mean, mean, raw",
        ),
        (["run", "scan.hspy", "--config", "none.yaml"], "error: none.yaml: cannot be read"),
        (["demo", "--seed", "-1"], "error: Invalid value"),
        (
            ["export", "folder", "--to", "word"],
            "error: no unmix4d.exporters named 'word'; known: csv, hspy, spots, tiff",
        ),
        (["unmix", "scan.hspy"], "error: No such command"),
    ],
)
def test_mistakes_on_the_command_line_are_one_sentence_and_exit_code_2(
    api: FakeApi, capsys: Capture, arguments: list[str], words: str
) -> None:
    assert cli.exit_code(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(words)
    assert said.err.count("\n") == 1
    assert not api.unmixed


def test_only_our_warnings_are_shown_each_once(api: FakeApi, capsys: Capture) -> None:
    def work() -> None:
        for _ in range(2):
            warnings.warn("0.3 % of the values were negative", Unmix4dWarning, stacklevel=1)
        warnings.warn("a library is about to change", FutureWarning, stacklevel=1)

    api.work = work
    assert cli.exit_code(["run", "scan.hspy", "--quiet"]) == 0
    assert capsys.readouterr().err == "warning: 0.3 % of the values were negative\n"


def test_progress_is_a_line_for_each_stage_where_there_is_no_terminal(api: FakeApi, capsys: Capture) -> None:
    assert cli.exit_code(["run", "scan.hspy"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [re.fullmatch(r" *\d+\.\d s  (\w+)", line).group(1) for line in lines] == ["factorise", "write"]
    assert len(api.unmixed) == 1


def test_progress_is_bars_on_a_terminal(api: FakeApi, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    api.work = lambda: warnings.warn("look at this", Unmix4dWarning, stacklevel=1)
    assert cli.exit_code(["run", "scan.hspy"]) == 0
    said = capsys.readouterr().err
    assert "factorise" in said
    assert "100%" in said
    assert "warning: look at this" in said


def test_quiet_shows_no_progress(api: FakeApi, capsys: Capture) -> None:
    assert cli.exit_code(["run", "scan.hspy", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert len(api.unmixed) == 1


def test_one_crystal_and_one_component_are_singular(api: FakeApi, capsys: Capture) -> None:
    api.run.decision = SimpleNamespace(**{**vars(DECISION), "n_crystals": 1, "k": 1})
    assert cli.exit_code(["run", "scan.hspy", "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("1 crystal in 1 component (k = 1)")


def test_version(capsys: Capture) -> None:
    assert cli.exit_code(["--version"]) == 0
    assert capsys.readouterr().out == f"unmix4d {__version__}\n"


def test_no_command_shows_the_help_and_is_a_mistake(capsys: Capture) -> None:
    assert cli.exit_code([]) == 2
    assert "Usage: unmix4d" in capsys.readouterr().out


def test_the_help_of_run_names_every_built_in_filter_and_solver(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.exit_code(["run", "--help"]) == 0
    said = capsys.readouterr().out
    for name in (*registry.BUILT_IN["filters"], *registry.BUILT_IN["solvers"]):
        assert name in said
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')} " in said
