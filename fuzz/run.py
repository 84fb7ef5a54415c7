"""Runs the libFuzzer targets, and keeps their corpora small: docs/reliability.md, "Fuzzing".

    fuzz/run.py --seconds 60 --jobs 2 [NAME …]    each target so many seconds of a processor; exit status 1 when something is found
    fuzz/run.py --merge [NAME …]                  takes what runs have found into the corpora of the tree

A run reads the tree's corpus and keeps what is new in build-fuzz/corpus/NAME; a finding is build-fuzz/findings/NAME-…
"""
import argparse, concurrent.futures, datetime, json, os, pathlib, re, shutil, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build-fuzz"
# What a corpus may grow to by --merge: files of so many bytes at most, and so many of them.
SEED_BYTES_MAX, SEEDS_MAX = 2048, 60
INPUT_BYTES_MAX = 4096


def targets(names):
    """(name, folder of the corpus) of the targets that are built."""
    listed = re.findall(r'GALAXY_FUZZ_TARGET\((\w+), "([^"]+)"', (BUILD / "fuzzers.txt").read_text())
    known = {name: pathlib.Path(corpus) for name, corpus in listed}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit("no such target: %s; there are %s" % (", ".join(unknown), ", ".join(sorted(known))))
    return {name: known[name] for name in names or sorted(known)}


def program(name, corpora, *options):
    largest = max((path.stat().st_size for corpus in corpora for path in corpus.iterdir()), default=0)
    dictionary = ROOT / "fuzz" / "dictionaries" / (name + ".dict")
    if dictionary.exists():
        options += ("-dict=%s" % dictionary,)
    return [str(BUILD / (name + "_fuzz")), "-timeout=20", "-rss_limit_mb=2048", "-max_len=%d" % max(INPUT_BYTES_MAX, largest + largest // 8),
            "-artifact_prefix=%s/findings/%s-" % (BUILD, name), *options, *map(str, corpora)]


def fuzz(name, corpus, seconds):
    """What runs of one target found that had so many seconds of a processor together, and how far they got."""
    kept = BUILD / "corpus" / name
    kept.mkdir(parents=True, exist_ok=True)
    used, executions, began = 0.0, 0, time.monotonic()
    while True:
        # The clock ends a run: where others take the processor, more runs follow.
        part = one_run(name, [kept, corpus], max(round(seconds - used), 5))
        used += part.pop("used")
        executions += part.pop("executions")
        if part["found"] or used >= seconds - 1:
            return {
                "target": name,
                "seconds": seconds,
                "processor_seconds": round(used),
                "clock_seconds": round(time.monotonic() - began),
                "executions": executions,
                **part,
                "ended": datetime.datetime.now().isoformat(timespec="seconds"),
            }


def one_run(name, corpora, seconds):
    said = BUILD / "findings" / (name + ".log")
    with open(said, "w") as file:
        process = subprocess.Popen(["nice", "-n", "15", *program(name, corpora, "-max_total_time=%d" % seconds, "-print_final_stats=1")],
                                   stdout=subprocess.DEVNULL, stderr=file)
    _, status, used = os.wait4(process.pid, 0)
    status = process.returncode = os.waitstatus_to_exitcode(status)
    log = said.read_text(errors="replace")
    last = re.findall(r"^#(\d+)\s.*?cov: (\d+) ft: (\d+) corp: (\d+)", log, re.M)
    executed = re.search(r"stat::number_of_executed_units: (\d+)", log)
    found = re.search(r"Test unit written to (\S+)", log)
    return {
        "used": used.ru_utime + used.ru_stime,
        "executions": int(executed[1] if executed else last[-1][0] if last else 0),
        "edges": int(last[-1][1]) if last else 0,
        "inputs": int(last[-1][3]) if last else 0,
        "found": None if status == 0 else found[1] if found else "exit status %d" % status,
        "says": "" if status == 0 else what_it_says(log),
    }


def what_it_says(log):
    line = re.search(r"^.*(CHECK failed|ERROR: \w+Sanitizer|ERROR: libFuzzer|runtime error).*$", log, re.M)
    return line[0].strip() if line else log[-500:]


def run(chosen, seconds, jobs):
    (BUILD / "findings").mkdir(parents=True, exist_ok=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool, open(BUILD / "fuzz-results.jsonl", "a") as results:
        running = [pool.submit(fuzz, name, corpus, seconds) for name, corpus in chosen.items()]
        for done in concurrent.futures.as_completed(running):
            result = done.result()
            results.write(json.dumps(result) + "\n")
            results.flush()
            print("%-18s %5d s of a processor (%d on the clock)  %10d executions  %6d edges  %s" % (
                result["target"], result["processor_seconds"], result["clock_seconds"], result["executions"], result["edges"],
                "FOUND " + result["found"] if result["found"] else "nothing found"), flush=True)
            if result["found"]:
                failed += 1
                print("    " + result["says"], flush=True)
    print("%d targets, %d with a finding" % (len(chosen), failed))
    return 1 if failed else 0


def merge(name, corpus):
    """The smallest new inputs that reach what the tree's corpus does not."""
    kept = BUILD / "corpus" / name
    if not kept.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        into, small = pathlib.Path(folder, "into"), pathlib.Path(folder, "small")
        small.mkdir()
        shutil.copytree(corpus, into)
        before = set(os.listdir(into))
        for path in kept.iterdir():
            if path.stat().st_size <= SEED_BYTES_MAX:
                shutil.copy(path, small)
        command = program(name, [into, small], "-merge=1", "-use_counters=0")
        subprocess.run(command, check=True, capture_output=True)
        new = sorted((set(os.listdir(into)) - before), key=lambda file: (into / file).stat().st_size)
        room = max(SEEDS_MAX - len(before), 0)
        for file in new[:room]:
            shutil.copy(into / file, corpus / ("found-" + file[:12]))
        print("%-18s %3d seeds, %3d new%s" % (name, len(before), min(len(new), room),
                                              ", %d left out" % (len(new) - room) if len(new) > room else ""))


def main():
    global BUILD
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="of a processor, for each target")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--merge", action="store_true")
    parser.add_argument("--build", type=pathlib.Path, default=BUILD, help="where the programs are, and what runs leave")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    BUILD = arguments.build.resolve()
    chosen = targets(arguments.names)
    if not arguments.merge:
        return run(chosen, arguments.seconds, arguments.jobs)
    for name, corpus in chosen.items():
        merge(name, corpus)
    return 0


if __name__ == "__main__":
    sys.exit(main())
