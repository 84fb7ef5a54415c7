"""A row: subjects that are measured in turn, again and again, and what the figures must reach.

    @row("stream", "contract stream, backend to one of our gateways", target="5 M events/s; ...", method="...")
    def stream(m):
        m.subject("galaxy", "Galaxy Push", lambda: {"events/s": ..., "µs CPU/event": ...})
        m.subject("grpc", "gRPC C++", grpc)
        m.run()                                  # galaxy, grpc, galaxy, grpc, ...
        m.reach("events/s", m.of("galaxy", "events/s"), at_least=5e6)
        m.reach("times gRPC C++", m.ratio("grpc", "galaxy", "µs CPU/event"), at_least=20)

A figure's name is its unit, as the report prints it. A subject that raises support.Absent is left out and its reason is
told; a row without any figure and without that excuse is a failure, in a smoke run too.
"""
import math, sys, time

import support

ROWS = []


class Row:
    def __init__(self, id, what, target, method, function):
        self.id, self.what, self.target, self.method, self.function = id, what, target, method, function


def row(id, what, target="", method=""):
    """Registers the function as a row, in the order of the report's table. `target` is the text that was asked for."""
    def register(function):
        assert all(other.id != id for other in ROWS), id
        ROWS.append(Row(id, what, target, method, function))
        return function
    return register


class Measure:
    """One row being measured. `smoke`: tiny counts, once, nobody judges."""

    def __init__(self, the_row, repeat, smoke):
        self.row, self.repeat, self.smoke = the_row, repeat, smoke
        self.subjects, self.samples, self.absent = {}, {}, {}
        self.targets, self.notes, self.plots = [], [], []
        self.seconds = 0

    def count(self, full, smoke):
        return smoke if self.smoke else full

    def subject(self, name, label, function):
        """`function` measures once and returns {unit: number}."""
        self.subjects[name] = (label, function)

    def run(self):
        """All subjects in turn, `repeat` times."""
        for turn in range(self.repeat):
            for name, (label, function) in self.subjects.items():
                if name in self.absent:
                    continue
                try:
                    figures = function()
                except support.Absent as why:
                    self.absent[name] = str(why)
                    continue
                for unit, value in figures.items():
                    if not math.isfinite(value):
                        raise RuntimeError("%s: %s of %s is no number: %s" % (self.row.id, unit, label, value))
                    self.samples.setdefault(name, {}).setdefault(unit, []).append(float(value))
                print("  %s %d/%d: %s" % (label, turn + 1, self.repeat,
                                           ", ".join("%s %s" % (number(v), u) for u, v in figures.items())), file=sys.stderr, flush=True)

    def curve(self, xs, function):
        """{series: [(x, median of the turns), ...]} of `function(x)`, which gives {series: y}."""
        samples = {}
        for turn in range(self.repeat):
            for x in xs:
                for series, y in function(x).items():
                    samples.setdefault(series, {}).setdefault(x, []).append(float(y))
                print("  %s %d/%d: %s" % (number(x), turn + 1, self.repeat,
                                           ", ".join("%s %s" % (name, number(points[x][-1])) for name, points in samples.items())), file=sys.stderr, flush=True)
        return {series: [(x, support.median(points[x])) for x in xs] for series, points in samples.items()}

    def of(self, name, unit):
        """The median of a subject's figure; None when it is absent."""
        values = self.samples.get(name, {}).get(unit)
        return support.median(values) if values else None

    def ratio(self, name, over, unit):
        """name's figure over the other's, None when one of them is absent: the median over the turns, in each of which
        both were measured one after the other."""
        ours, theirs = self.samples.get(name, {}).get(unit), self.samples.get(over, {}).get(unit)
        if not ours or not theirs:
            return None
        return support.median([a / b for a, b in zip(ours, theirs) if b])

    def reach(self, what, value, at_least=None, at_most=None):
        """One number that was asked for. `value` None: its peer is absent, nothing is judged."""
        self.targets.append({"what": what, "value": value, "at_least": at_least, "at_most": at_most})

    def ratios(self, name, unit, fewer_is_better=False):
        """States the ratio to every other subject, without a target."""
        for other, (label, _) in self.subjects.items():
            value = self.ratio(other, name, unit) if fewer_is_better else self.ratio(name, other, unit)
            if other != name and value is not None:
                self.reach("%s: times %s" % (unit, label), value)

    def note(self, text):
        self.notes.append(text)

    def plot(self, id, title, x, y, series, straight=False, log_x=False, log_y=False):
        """`series`: {label: [(x, y), ...]}. `straight`: it must be a straight line; its fit is stated."""
        self.plots.append({"id": id, "title": title, "x": x, "y": y, "series": series, "straight": straight, "log_x": log_x, "log_y": log_y})

    def results(self):
        if not self.samples and not self.plots and not self.absent:
            raise RuntimeError("%s: no figure at all" % self.row.id)
        return {
            "id": self.row.id, "what": self.row.what, "target": self.row.target, "method": self.row.method,
            "subjects": [{"name": name, "label": label, "absent": self.absent.get(name),
                          "figures": {unit: {"median": support.median(values), "all": values}
                                      for unit, values in self.samples.get(name, {}).items()}}
                         for name, (label, _) in self.subjects.items()],
            "targets": self.targets, "notes": self.notes, "plots": self.plots, "seconds": round(self.seconds, 1)}


def measure(the_row, repeat, smoke):
    m = Measure(the_row, 1 if smoke else repeat, smoke)
    begin = time.monotonic()
    the_row.function(m)
    m.seconds = time.monotonic() - begin
    return m.results()


def number(value):
    """As people read it: three digits, k and M."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 1e6:
        return "%.3g M" % (value / 1e6)
    if size >= 10e3:
        return "%.3g k" % (value / 1e3)
    if size >= 100 or value == int(value):
        return "%.0f" % value
    return "%.3g" % value
