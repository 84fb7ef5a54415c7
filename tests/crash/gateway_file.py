"""What a gateway has persisted (docs/formats/gateway.md), read without the project's code."""
import functools, pathlib

import database_copy
from siphash import siphash128


def read(data, scratch):
    """{"cursor": the processed cursor or "", "secret": hex, "revoked": {key in hex: seconds}}; nothing was written yet:
    an empty cursor and no secret."""
    with database_copy.opened(pathlib.Path(data) / "gateway.db", scratch) as database:
        if database is None or not database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return {"cursor": "", "secret": "", "revoked": {}}
        (cursor, secret, count), = database.execute("SELECT cursor, secret, revoked_count FROM state")
        revoked = {key.hex(): seconds for key, seconds in database.execute("SELECT key, time_s FROM revoked")}
        if len(revoked) != count:
            raise AssertionError("%s: %d revocations, and it says %d" % (data, len(revoked), count))
        return {"cursor": cursor, "secret": secret.hex(), "revoked": revoked}


@functools.lru_cache(maxsize=None)
def key(secret, user, session):
    """Under which hash a user (empty `session`) or a session stands in the set."""
    of_user = siphash128(bytes.fromhex(secret), user.encode())
    return (siphash128(of_user, session.encode()) if session else of_user).hex()
