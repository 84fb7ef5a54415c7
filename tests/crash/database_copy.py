"""A look at a database of a dead process that leaves the original as it is.

Opening a SQLite file with a write-ahead log recovers and may checkpoint it, so what is read is a copy; the
process that starts next must find exactly what the dead one left.
"""
import contextlib, pathlib, shutil, sqlite3


@contextlib.contextmanager
def opened(file, scratch):
    """A connection to a copy of `file` and its -wal; None when there is no such file."""
    file, scratch = pathlib.Path(file), pathlib.Path(scratch)
    if not file.exists():
        yield None
        return
    scratch.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal", "-shm", "-journal"):
        copy = scratch / (file.name + suffix)
        copy.unlink(missing_ok=True)
        original = file.with_name(file.name + suffix)
        if suffix != "-shm" and original.exists():
            shutil.copyfile(original, copy)
    connection = sqlite3.connect(scratch / file.name)
    try:
        result = connection.execute("PRAGMA integrity_check").fetchall()
        if result != [("ok",)]:
            raise AssertionError("%s: %s" % (file, result[:3]))
        yield connection
    finally:
        connection.close()
