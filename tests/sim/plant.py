"""Plants faults in the product, one at a time, and tells how many seeds the simulation needs to find each.

    /usr/bin/python3 tests/sim/plant.py [--seeds 300] [--build build] [NUMBER …]

It edits the sources of this checkout and restores them; run it in a checkout of its own. docs/reliability.md has the
last table.
"""
import argparse, json, pathlib, re, subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
GATEWAY, LOG, BACKEND = "src/gateway/", "src/log/", "src/backend/"
FOUND = "  if (CursorOf(*at) != cursor) return {Match::kUnknown};\n  return {Match::kFound, %s};"

# What, which rule, and the edits: file, text, its replacement.
FAULTS = [
    ("queued events of a revoked session are written all the same", "8.1, 8.2", [
        (GATEWAY + "shard.cc", "  session.queue_.DropUnsent();", "  (void)session;"),
        (GATEWAY + "shard.cc", "if (session.user() == nullptr || session.checked_version_ == revoked_.version()) return true;", "if (session.queue_.bytes() + 1 > 0) return true;")]),
    ("the revoked set is not entered, connected sessions are closed", "8.1", [
        (GATEWAY + "shard.cc", "  revoked_.Enter(entry.user_id, entry.device_session_id, time_s, entry.reason);", "  (void)time_s;")]),
    ("admission does not ask the revoked set", "8.3", [
        (GATEWAY + "shard_admit.cc", "revoked_.Find(who.user_id, who.session_id, began_s);", 'revoked_.Find("", "", ~uint32_t{0});')]),
    ("the cursor is persisted without the revocations before it", "7.2, 8.7", [
        (GATEWAY + "feed_client.cc", ".revoked = shard_.TakeRevokedNews(),", ".revoked = (shard_.TakeRevokedNews(), std::vector<RevokedEntry>{}),")]),
    ("the revoked set is not restored at a start", "8.7", [
        (GATEWAY + "state_store.cc", "if (Status read = ReadRevoked(progress.rows, opened.revoked); !read) return read;", "if (Status read = ReadRevoked(progress.rows, opened.revoked); !read) return read;\n  opened.revoked = RevokedSet(options_.revoked_keep_s, secret_);")]),
    ("a restarted gateway does not ask for the window", "4.10", [
        (GATEWAY + "feed.cc", 'request.metadata.Add("push-since", std::to_string(since));', "(void)since;")]),
    ("a client's resume skips one entry", "7.4", [
        (GATEWAY + "replay_ring.cc", FOUND % "ordinal", FOUND % "std::min(ordinal + 1, newest)")]),
    ("a client's resume repeats one entry", "7.1", [
        (GATEWAY + "replay_ring.cc", FOUND % "ordinal", FOUND % "ordinal - 1")]),
    ("a feed that resumes skips one entry", "4.2", [
        (LOG + "ring.cc", "return {Match::kFound, Position(segment, index + 1)};", "return {Match::kFound, Position(segment, index + 1 < entries ? index + 2 : index + 1)};")]),
    ("a reader that the ring overtook goes on at the oldest entry", "4.6", [
        (BACKEND + "subscription.cc", "if (chunk.state == Ring::State::kOverrun) return Filled::kOverrun;", "if (chunk.state == Ring::State::kOverrun) {\n    decision_.position = ring_.Begin();\n    chunk = ring_.Read(decision_.position, kChunkBytes);\n  }")]),
    ("retained invalidations are not sent", "4.3", [
        (BACKEND + "subscription.cc", "  if (!retained_left_) return false;", "  retained_left_ = false;\n  if (!retained_left_) return false;")]),
    ("synchronous=OFF", "2.1", [
        ("src/storage/database.cc", "SyncName(options.sync) +", "SyncName(Database::Sync::kOff) +")]),
    ("a commit that found the disk full is acknowledged", "2.1", [
        (LOG + "log.cc", "if (!grown) Abandon(committed.error(), sequence_before);", "if (!grown) AppendCommitted();\n    (void)sequence_before;")]),
    ("idempotency keys are forgotten at a restart", "2.2", [
        (LOG + "log.cc", "if (!view.event_id.empty()) log_.dedupe_.Add(log_.hasher_.Digest(view), entry.cursor);", "(void)view;")]),
    ("the keys of a failed commit are kept", "2.2", [(LOG + "log.cc", "  dedupe_.ForgetNewest(fresh_keys_);", "")]),
    ("a duplicate gets a cursor of its own", "2.2", [(LOG + "log.cc", "Ack{answer.first, true}", "Ack{cursor, true}")]),
    ("a conflict passes for a duplicate", "2.2", [
        (LOG + "log.cc", "answer.verdict == Dedupe::Verdict::kDuplicate", "answer.verdict != Dedupe::Verdict::kNew")]),
    ("the engine keeps no retained invalidations", "3.2", [(LOG + "log_writer.cc", "  return retained_.Run();", "  return {};")]),
    ("the catch-up barrier counts as passed at once", "8.6, 9.1", [
        (GATEWAY + "feed_client.cc", "if (opening.caught_up) BarrierPassed();", "BarrierPassed();")]),
    ("a displaced stream is neither silenced nor ended", "5.1, 5.2", [
        (BACKEND + "subscriptions.cc", "  accepted.displaced->Silence();", ""),
        (BACKEND + "push_service.cc", "if (stream != streams_.end()) stream->second->End(Code::kSuperseded);", "(void)stream;")]),
    ("connections are not told of the feed's gap", "7.5", [(GATEWAY + "shard.cc", "    Enqueue(*session, frame);\n    session->state_ =", "    session->state_ =")]),
    ("a whole user revoked means later sign-ins, too", "8.5", [
        (GATEWAY + "revoked_set.cc", "began_s <= whole->second.time_s", "(began_s <= whole->second.time_s || true)")]),
    ("a whole user revoked means nobody", "8.5", [
        (GATEWAY + "revoked_set.cc", "began_s <= whole->second.time_s", "(began_s <= whole->second.time_s && false)")]),
    ("positions name the ring's newest entry", "7.4", [
        (GATEWAY + "shard.h", "return delivered_ + 1 < ring_.first() ? held_after_ : ring_.CursorAt(delivered_);", "return ring_.CursorAt(ring_.newest());")]),
    ("an event of one session goes to all of the user", "7.3", [
        (GATEWAY + "session_index.h", "return device_session_id.empty() || device_session_id == session_id_;", "return device_session_id.size() < 1000;")]),
    ("a replay ends early", "7.4", [
        (GATEWAY + "shard_deliver.cc", "    if (batch_.size() >= config_.batch_size) return false;", "    if (batch_.size() >= config_.batch_size) return true;")]),
    ("tokens do not end", "8.8", [(GATEWAY + "shard.cc", "      Close(*session, {.code = Code::kTokenExpired});", "      (void)session;")]),
    ("a gateway that was FRESH once is never STALE", "9.1, 9.2", [
        (GATEWAY + "vouching.cc", "bool stale = state == FreshState::kStale;", "bool stale = state == FreshState::kStale && !passed_;")]),
    ("STALE closes nobody", "9.2", [(GATEWAY + "vouching.cc", "    shard_.CloseSpread(Code::kStale, config_.stale_spread_ms);", "")]),
    ("a slow client's queue has no bound", "7.6", [
        (GATEWAY + "shard.cc", "bool Shard::OverBound(const ClientSession& session) const {", "bool Shard::OverBound(const ClientSession& session) const {\n  if (session.queue_.bytes() + 1 > 0) return false;")]),
    ("a feed that reconnects presents no cursor", "4.2", [
        (GATEWAY + "feed.cc", ".cursor = received_, .metadata = {}};", '.cursor = vouched_ ? "" : received_, .metadata = {}};')]),
    ("rows leave the file while they are in the ring", "3.1", [
        (LOG + "log.cc", "engine_->Maintain({ring_->floor(),", "engine_->Maintain({ring_->head(),")]),
    ("generations begin at 0 with each process", "4.1", [(BACKEND + "subscriptions.h", "generation_(log.begun_after())", "generation_(0)")]),
    ("what is held back is signed after it may have left the ring", "7.1", [
        (GATEWAY + "shard_deliver.cc", "  // What was held back may fill the ring, and the next Append() let it go: signed now.\n  Commit();", "")]),
    ("events before the barrier are delivered at once", "8.6", [(GATEWAY + "feed.cc", "    if (before) {", "    if (before && canary_ms_ == 1) {")]),
    ("a resumed SSE stream with a large event is closed as slow", "7.6", [(GATEWAY + "shard.cc", "session.queue_.bytes_behind() > config_.queue_bytes_max", "session.queue_.bytes() > config_.queue_bytes_max")]),
]


def plant(edits):
    """Applies them; returns what the files were, and None when a text is not there."""
    before, fits = {}, True
    for name, text, instead in edits:
        path = ROOT / name
        source = path.read_text()
        before.setdefault(path, source)
        fits = fits and text in source
        path.write_text(source.replace(text, instead))
    return before, fits


def seeds_to_find(build, seeds):
    for seed in range(1, seeds + 1):
        run = subprocess.run(["timeout", "100", str(build / "galaxy-sim"), "--seed", str(seed), "--lines", "0"], capture_output=True, text=True)
        if run.returncode == 0:
            continue
        told = re.findall(r"^  semantics\.md (.*)$", run.stdout, re.M) or re.findall(r"CHECK failed.*", run.stderr) or ["status %d" % run.returncode]
        return seed, told[0]
    return None, None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--build", default="build")
    parser.add_argument("numbers", nargs="*", type=int)
    arguments = parser.parse_args()
    build = ROOT / arguments.build
    for number, (fault, rule, edits) in enumerate(FAULTS):
        if arguments.numbers and number not in arguments.numbers:
            continue
        before, fits = plant(edits)
        try:
            built = fits and subprocess.run(["ninja", "-C", str(build), "galaxy-sim"], capture_output=True, text=True)
            if not built or built.returncode != 0:
                result = {"error": built.stdout[-600:] if built else "a text to replace is not there"}
            else:
                seed, told = seeds_to_find(build, arguments.seeds)
                result = {"seeds": seed, "told": told and told[:160]}
        finally:
            for path, source in before.items():
                path.write_text(source)
        print(json.dumps({"number": number, "fault": fault, "rule": rule, **result}), flush=True)


if __name__ == "__main__":
    main()
