"""One cache for all engine tests: programs that were exported before, by other code, are not used."""

import pytest

from utils.engine.cache import FOLDER_VARIABLE


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield
