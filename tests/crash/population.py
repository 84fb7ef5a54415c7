"""Who is signed in during a campaign: a fixed number of live sessions, each replaced when it is revoked."""
import random, threading, time


class Population:
    """Any thread. Sessions of the users that invalidations never meet stand for the undisturbed."""

    def __init__(self, seed, users, sessions_per_user, undisturbed):
        self.random = random.Random("%s/population" % seed)
        self.lock = threading.Lock()
        self.serial = 0
        self.undisturbed = list(undisturbed)
        self.users = ["u-%d" % n for n in range(users)]
        self.live = {}      # session -> user
        self.revoked = []   # (user, session, iat) that must never come in again, as the test knows them
        for user in self.users:
            for _ in range(sessions_per_user):
                self.sign_in(user)

    def sign_in(self, user):
        with self.lock:
            self.serial += 1
            session = "s-%d" % self.serial
            self.live[session] = user
            return session

    def gone(self, user, session, iat):
        """A credential was refused as revoked; a named session is replaced by its caller."""
        with self.lock:
            self.revoked.append((user, session, iat))

    def leave(self, session):
        with self.lock:
            return self.live.pop(session, None)

    def recipient(self, rng):
        """User and session of an event: some for all sessions, some for one, some for one that has gone."""
        with self.lock:
            pick = rng.random()
            if pick < 0.15:
                user, session = rng.choice(self.undisturbed)
                return user, rng.choice(["", session])
            if pick < 0.6:
                return rng.choice(self.users), ""
            if pick < 0.9 and self.live:
                session = rng.choice(sorted(self.live))
                return self.live[session], session
            if self.revoked:
                return rng.choice(self.revoked)[:2]
            return rng.choice(self.users), ""

    def victim(self, rng):
        with self.lock:
            if not self.live:
                return None
            session = rng.choice(sorted(self.live))
            return self.live[session], session

    def some_revoked(self, rng, count):
        with self.lock:
            return rng.sample(self.revoked, min(count, len(self.revoked)))

    def all_revoked(self):
        with self.lock:
            return sorted(set(self.revoked))


def stranger():
    """A credential that nobody has revoked, of somebody who was never here (and so has no cursor to wait for)."""
    return "u-stranger", "s-stranger", int(time.time())


def next_second():
    """Waits for the next second of the wall clock: a later sign-in than whatever was revoked now (semantics.md 8.5)."""
    begun = int(time.time())
    while int(time.time()) == begun:
        time.sleep(0.02)
