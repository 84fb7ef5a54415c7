"""Makes docs/performance.md of the figures that run.py wrote, with a plot (SVG) for each curve.

    /usr/bin/python3 bench/galaxy_bench/report.py RESULTS.json docs/performance.md

The page says what was asked for, what was measured, the ratio to each peer of the same turn, and by how much a row falls
short. What a person found out about a row (why, with the profile) stands in bench/notes/ROW.md and is put under it;
bench/notes/tried.md is what was tried. Nothing on the page is written by hand, so nothing is lost by making it again.
"""
import html, json, pathlib, sys

from measure import number

NOTES = pathlib.Path(__file__).resolve().parents[1] / "notes"


def verdict(target):
    """(bound, outcome) of one number that was asked for."""
    value, least, most = target["value"], target["at_least"], target["at_most"]
    bound = "at least " + number(least) if least is not None else "at most " + number(most) if most is not None else ""
    if value is None:
        return bound, "not measured: the peer is absent"
    if least is not None:
        return bound, "reached" if value >= least else "**falls short by %s %%**" % number(100 * (1 - value / least))
    if most is not None:
        return bound, "reached" if value <= most else "**falls short: %s times what is allowed**" % number(value / most)
    return bound, ""


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def row_summary(row):
    """One line of the first table."""
    subject = next((s for s in row["subjects"] if s["figures"]), None)
    figures = ", ".join("%s %s" % (number(f["median"]), unit) for unit, f in subject["figures"].items()) if subject else "see the plot"
    return "| [%s](#%s) | %s | %s | %s |" % (cell(row["what"]), row["id"], cell(row["target"]) or "-", cell(figures),
                                            "<br>".join(cell(outcome(target)) for target in row["targets"]) or "-")


def outcome(target):
    text = "%s: %s" % (target["what"], number(target["value"]))
    return ", ".join(part for part in (text, verdict(target)[1]) if part)


def figures_table(row):
    units = []
    for subject in row["subjects"]:
        units += [unit for unit in subject["figures"] if unit not in units]
    if not units:
        return []
    lines = ["", "| median of the turns (least … most) | " + " | ".join(map(cell, units)) + " |", "| --- |" + " ---: |" * len(units)]
    for subject in row["subjects"]:
        if subject["absent"]:
            lines.append("| %s | %s |" % (cell(subject["label"]), cell("absent: " + subject["absent"]) + " |" * (len(units) - 1)))
            continue
        cells = []
        for unit in units:
            figure = subject["figures"].get(unit)
            if figure is None:
                cells.append("")
                continue
            spread = "" if len(figure["all"]) == 1 else " (%s … %s)" % (number(min(figure["all"])), number(max(figure["all"])))
            cells.append(number(figure["median"]) + spread)
        lines.append("| %s | %s |" % (cell(subject["label"]), " | ".join(cells)))
    return lines


def targets_table(row):
    if not row["targets"]:
        return []
    lines = ["", "| against what was asked | measured | asked | |", "| --- | ---: | --- | --- |"]
    for target in row["targets"]:
        bound, outcome = verdict(target)
        lines.append("| %s | %s | %s | %s |" % (cell(target["what"]), number(target["value"]), bound or "-", outcome or "-"))
    return lines


def line_fit(points):
    """Least squares and the coefficient of determination."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points) or 1
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    base = mean_y - slope * mean_x
    total = sum((y - mean_y) ** 2 for _, y in points)
    left = sum((y - base - slope * x) ** 2 for x, y in points)
    return base, slope, 1 - left / total if total else 1.0


def plot_svg(plot, path):
    """False: matplotlib is not there."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = plot["id"]  # the same figures, the same file
    matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
    for label, points in plot["series"].items():
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        line = axes.plot(xs, ys, marker="o", markersize=4, label=label)[0]
        if plot["straight"] and len(points) > 2:
            base, slope, _ = line_fit(points)
            axes.plot(xs, [base + slope * x for x in xs], linestyle=":", color=line.get_color())
    axes.set(title=plot["title"], xlabel=plot["x"], ylabel=plot["y"])
    if plot["log_x"]:
        axes.set_xscale("log")
    if plot["log_y"]:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return True


def plot_lines(plot, folder):
    path = folder / (plot["id"] + ".svg")
    folder.mkdir(parents=True, exist_ok=True)
    lines = [""]
    if plot_svg(plot, path):
        lines.append("![%s](%s/%s)" % (html.escape(plot["title"]), folder.name, path.name))
    else:
        lines.append("(No plot: python3-matplotlib is absent.)")
    for label, points in plot["series"].items():
        text = ", ".join("%s: %s" % (number(x), number(y)) for x, y in points)
        if plot["straight"] and len(points) > 2:
            base, slope, fit = line_fit(points)
            text += "; straight line %.4g + %.4g x, R² %.4f" % (base, slope, fit)
        lines += ["", "%s, %s by %s: %s." % (label, plot["y"], plot["x"], text)]
    return lines


def note(name):
    path = NOTES / (name + ".md")
    return ["", path.read_text().strip()] if path.exists() else []


def row_section(row, folder):
    lines = ["", '<a id="%s"></a>' % row["id"], "### " + row["what"], ""]
    if row["target"]:
        lines += ["Asked: " + row["target"] + ".", ""]
    lines.append("Method: " + row["method"] + " Measured %s in %s s." % (row["date"], number(row["seconds"])))
    lines += figures_table(row) + targets_table(row)
    for text in row["notes"]:
        lines += ["", text]
    for plot in row["plots"]:
        lines += plot_lines(plot, folder)
    return lines + note(row["id"])


METHOD = """Every figure is the median of {repeat} turns, in which ours and each peer are measured one after the other, so that a
neighbour's noise meets all of them; a ratio is the median of the turns' ratios. Server and load have a CPU of their own: the
server's processes are pinned to CPU {server}, the load's to CPU {load}. CPU time is the process's own clock
(`clock_getcpuclockid`, nanoseconds, all threads), never the wall's; on the loopback the kernel books the receiver's share of
TCP to whoever sends. "Events per CPU-second" counts both ends of a connection unless a row says otherwise. Where a row needs
more events a second than a publisher makes on this machine, the consumer is stopped (SIGSTOP), the events are published, and
the measurement begins with SIGCONT: what is measured is the way of the events that waited. The build is CMake's Release.
A peer that was not installed is named as absent."""


def write(results, page):
    folder = page.with_suffix("")
    machine, versions = results["machine"], results["versions"]
    lines = ["<!-- Made by `make bench` (bench/galaxy_bench/report.py); do not edit: notes go into bench/notes/. -->", "# Performance", ""]
    if results["smoke"]:
        lines += ["**A smoke run: tiny counts, one turn. These figures mean nothing.**", ""]
    lines += ["What was asked for, what was measured, and against whom in the same run. Written %s by `make bench`; single rows are" % results["date"],
              "measured again with `make bench ROWS=stream,publish`, and each says when.", "",
              "| what | asked | measured (Galaxy Push) | against what was asked |", "| --- | --- | --- | --- |"]
    lines += [row_summary(row) for row in results["rows"]]
    lines += ["", "## Method", "", METHOD.format(repeat=results["repeat"], server=machine["server_cpu"], load=machine["load_cpu"])]
    lines += note("method")
    lines += ["", "## Machine and versions", "", "| | |", "| --- | --- |"]
    lines += ["| %s | %s |" % (name.replace("_", " "), cell(value)) for name, value in (machine | versions).items()]
    lines += ["", "## The rows"]
    for row in results["rows"]:
        lines += row_section(row, folder)
    tried = note("tried")
    if tried:
        lines += ["", "## What was tried"] + tried
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write(json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[2]))
