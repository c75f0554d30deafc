import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmix4d.read import identity
from unmix4d.read.identity import _spread, source_digest
from unmix4d.read.readers import open_scan

SCAN = np.random.default_rng(3).integers(0, 255, (3, 4, 5, 6), dtype=np.uint8)


def test_small_file_is_hashed_whole(tmp_path: Path) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, SCAN)
    expected = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert source_digest(open_scan(path)) == expected


def test_large_file_is_hashed_by_size_and_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "WHOLE_FILE_BYTES", 100)
    monkeypatch.setattr(identity, "PIECE_BYTES", 10)
    monkeypatch.setattr(identity, "_spread", lambda n: [0, n - 1])
    path = tmp_path / "scan.npy"
    np.save(path, SCAN)
    content = path.read_bytes()
    expected = hashlib.sha256(f"{len(content)}\n".encode() + content[:10] + content[-10:]).hexdigest()
    assert source_digest(open_scan(path)) == f"sha256:{expected}"


@pytest.mark.parametrize(("n", "wanted", "expected"), [(3, 64, [0, 1, 2]), (101, 3, [0, 50, 100]), (1, 64, [0])])
def test_evenly_spaced(n: int, wanted: int, expected: list[int]) -> None:
    assert _spread(n, wanted) == expected


def test_folder_digest_follows_names_and_contents(tmp_path: Path) -> None:
    for i, frame in enumerate(SCAN.reshape(12, 5, 6)):
        Image.fromarray(frame).save(tmp_path / f"{i}.bmp")
    scan = open_scan(tmp_path, scan_shape=(3, 4))
    before = source_digest(scan)
    assert source_digest(scan) == before
    Image.fromarray(SCAN[0, 0] + 1).save(tmp_path / "7.bmp")
    changed = source_digest(scan)
    (tmp_path / "11.bmp").rename(tmp_path / "12.bmp")
    assert len({before, changed, source_digest(scan)}) == 3


def test_array_digest_follows_values_shape_and_type() -> None:
    arrays = [SCAN, SCAN.copy(), SCAN + 1, SCAN.reshape(4, 3, 5, 6), SCAN.view(np.int8)]
    digests = [source_digest(open_scan(array)) for array in arrays]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4
    assert all(len(digest) == len("sha256:") + 64 for digest in digests)
