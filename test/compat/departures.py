# SPDX-License-Identifier: MIT
"""departures.txt: where our libxenvchan differs from the distribution's."""
import re


class Departure:
    """A line of it."""

    def __init__(self, line):
        words = [w.strip() for w in line.split("|")]
        self.script, self.label, self.of, distro, ours, self.why = words
        assert self.of in ("caller", "server", "client"), line
        self.result = {"distro": distro, "ours": ours}
        self.used = False

    def expected(self, library, ring=0):
        text = self.result[library]
        is_number = text[0].isdigit() or text.startswith("ring")
        return str(eval(text, {"ring": ring})) if is_number else text


class Departures:
    def __init__(self, path, of_forged):
        with open(path, encoding="ascii") as f:
            lines = [l for l in f if l.strip() and not l.startswith("#")]
        all_of_them = [Departure(l) for l in lines]
        self.by_step = {(d.script, d.label): d for d in all_of_them
                        if d.script.startswith("forged") == of_forged}

    def find(self, script, label):
        """The departure of a step, or None."""
        departure = self.by_step.get((script, label))
        if departure:
            departure.used = True
        return departure

    def undocumented(self, manual):
        """Those whose number the manual page does not have."""
        with open(manual, encoding="ascii") as f:
            ranges = re.findall(r"^\.It (\d+)(?:\\\(en(\d+))?$", f.read(), re.M)
        known = {n for first, last in ranges
                 for n in range(int(first), int(last or first) + 1)}
        return [d for d in self.by_step.values()
                if int(d.why.split(":")[0]) not in known]

    def unused(self):
        return [d for d in self.by_step.values() if not d.used]
