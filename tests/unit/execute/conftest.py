"""One small cluster for all tests of this folder."""

from collections.abc import Iterator

import pytest

from unmix4d.execute import Dask, open_executor


@pytest.fixture(scope="package")
def cluster() -> Iterator[Dask]:
    """Two worker processes here."""
    pytest.importorskip("distributed")
    with open_executor(threads=1, workers=2) as pool:
        assert isinstance(pool, Dask)
        yield pool
