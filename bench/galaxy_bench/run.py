"""Measures the rows and writes their figures; report.py makes the page of them.

    GALAXY_PUSH=build-bench/galaxy-push GALAXY_BUILD=build-bench /usr/bin/python3 bench/galaxy_bench/run.py
        [--rows a,b]      only these, or whole groups by their file's name; the others keep the figures that --out has
        [--repeat 3]      turns of each row
        [--smoke]         tiny counts, one turn: does every row still yield its figures?
        [--out FILE]      default BUILD/bench-results.json
        [--report FILE]   also writes the page there, its plots beside it in a folder of its name
        [--list]

Exit status 1 when a row failed; the figures of the others are written all the same. Times are not judged here.
"""
import argparse, datetime, importlib, json, os, pathlib, sys, time, traceback

# In the order of the report's table.
GROUPS = ("stream", "publish", "shared_log", "gateway", "delivery", "latency", "idle", "start", "growth", "growth_edge")
HERE = pathlib.Path(__file__).resolve().parent


def arguments():
    parser = argparse.ArgumentParser(description="Measures Galaxy Push.")
    parser.add_argument("--rows", default="")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("--report")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def load_groups():
    import measure
    groups = {}
    for name in GROUPS:
        if (HERE / (name + ".py")).exists():
            before = len(measure.ROWS)
            importlib.import_module(name)
            groups[name] = [row.id for row in measure.ROWS[before:]]
    return measure.ROWS, groups


def chosen(names, rows, groups):
    if not names:
        return [row.id for row in rows]
    wanted = []
    for name in names.split(","):
        if name in groups:
            wanted += groups[name]
        elif any(row.id == name for row in rows):
            wanted.append(name)
        else:
            sys.exit("bench: no row or group %r; there are: %s" % (name, ", ".join([*groups, *(row.id for row in rows)])))
    return wanted


def measure_rows(rows, options):
    import measure
    done, failed = {}, []
    for row in rows:
        print("%s: %s" % (row.id, row.what), file=sys.stderr, flush=True)
        try:
            done[row.id] = measure.measure(row, options.repeat, options.smoke)
            done[row.id]["date"] = now()
            print("  %.0f s" % done[row.id]["seconds"], file=sys.stderr, flush=True)
        except Exception:
            failed.append(row.id)
            traceback.print_exc()
    return done, failed


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def main():
    options = arguments()
    os.environ.setdefault("GALAXY_BUILD", str(HERE.parents[1] / "build-bench"))
    os.environ.setdefault("GALAXY_PUSH", os.environ["GALAXY_BUILD"] + "/galaxy-push")
    import support
    rows, groups = load_groups()
    if options.list:
        for name, ids in groups.items():
            print("%s: %s" % (name, ", ".join(ids)))
        return
    if options.repeat < 3 and not options.smoke:
        print("bench: fewer than 3 turns are no median; the page is for reading only", file=sys.stderr)
    begin = time.monotonic()
    ids = chosen(options.rows, rows, groups)
    machine = support.machine()
    done, failed = measure_rows([row for row in rows if row.id in ids], options)

    out = pathlib.Path(options.out or os.environ["GALAXY_BUILD"] + "/bench-results.json")
    kept = {}
    if out.exists() and len(ids) < len(rows):
        before = json.loads(out.read_text())
        if before.get("smoke") == options.smoke:
            kept = {row["id"]: row for row in before["rows"]}
    figures = kept | done
    results = {"date": now(), "smoke": options.smoke, "repeat": 1 if options.smoke else options.repeat, "machine": machine,
               "versions": support.versions(), "rows": [figures[row.id] for row in rows if row.id in figures]}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    if options.report:
        import report
        report.write(results, pathlib.Path(options.report))
    print("bench: %d rows in %.0f s%s" % (len(done), time.monotonic() - begin, ", FAILED: " + ", ".join(failed) if failed else ""), file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
