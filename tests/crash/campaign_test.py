"""The short crash campaign of `make test`: semantics.md 1.2, 2.1, 2.2, 3.2, 4.2, 4.3, 7.1, 7.2, 8.2, 8.3, 8.7, 9.1.

Ten kills of the backend and eight of gateways under load; `make crash` does 200 and 100. The seed is printed,
and CRASH_SEED in the environment repeats its schedule. What is checked: judge.py, and log_file.py after each kill.
"""
import os, pathlib, sys, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import campaign


class CrashCampaign(unittest.TestCase):
    def test_kills_lose_nothing_repeat_nothing_and_let_no_revoked_session_in(self):
        arguments = ["--backend-kills", "10", "--gateway-kills", "8", "--long-downs", "0", "--run-s", "0.5", "--revoke-s", "0.2"]
        if "CRASH_SEED" in os.environ:
            arguments += ["--seed", os.environ["CRASH_SEED"]]
        self.assertEqual(campaign.run(campaign.parse(arguments)), [])


if __name__ == "__main__":
    unittest.main()
