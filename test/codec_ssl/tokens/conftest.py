import pytest
import write_store


@pytest.fixture(scope="session")
def reference_store(tmp_path_factory):
    """A store written in one go: nothing killed, one job."""
    path = tmp_path_factory.mktemp("reference") / "store"
    writer = write_store.open_writer(path)
    write_store.write_job(writer, 1, 1)
    writer.finalize()
    return path
