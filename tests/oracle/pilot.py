"""Holds the reports of the CDISC pilot study against counts made from its tables by pandas.

`cargo xtask oracle` runs it. It has `trialbook` import the tables into a directory that is thrown away, and compares the
safety report, and the flow and sites of the outcome report, with tallies that know the tables alone. The first difference
ends it with the status DIFFERS.

    python3 pilot.py TABLES -- TRIALBOOK [ARGUMENT]...
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import pandas as pd

DIFFERS = 3

# The criteria of ICH E2A; a cancer or an overdose (AESCAN, AESOD) is none by itself.
CRITERIA = ["AESCONG", "AESDISAB", "AESDTH", "AESHOSP", "AESLIFE", "AESMIE"]


class Tally:
    """Counts ours against theirs."""

    def __init__(self):
        self.compared = 0

    def check(self, what, ours, theirs):
        """Two counts, or two dictionaries of them."""
        if isinstance(theirs, dict):
            if ours.keys() != theirs.keys():
                self.differ(f"{what}: keys", sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys()))
            for key in theirs:
                self.check(f"{what}, {key}", ours[key], theirs[key])
            return
        self.compared += 1
        if ours != theirs:
            self.differ(what, ours, theirs)

    def differ(self, what, ours, theirs):
        print(f"{what}: ours is {ours}, counted from the tables {theirs}")
        sys.exit(DIFFERS)


def table(tables, name):
    """A transport file, read by pandas; a missing text is empty."""
    read = pd.read_sas(tables / f"{name}.xpt", format="xport", encoding="cp1252")
    texts = read.select_dtypes("object").columns
    read[texts] = read[texts].fillna("")
    return read


def emergence(onset, first):
    """How a date, perhaps only a month or a year, lies to the day of first treatment; texts compare as dates do."""
    if first is None:
        return "untreated"
    onset = onset[:10]
    known = first[: len(onset)]
    if onset == known:
        return "emergent" if len(onset) == 10 else "emergent_by_imputation"
    return "before" if onset < known else "emergent"


def by_class_and_term(events):
    """Events, subjects and serious events of each class, and of each term of it."""
    count = lambda rows: (len(rows), rows["USUBJID"].nunique(), int(rows["serious"].sum()))
    classes = {(soc, ""): count(rows) for soc, rows in events.groupby("AEBODSYS")}
    return classes | {key: count(rows) for key, rows in events.groupby(["AEBODSYS", "AEDECOD"])}


def by_class_and_term_reported(report, which):
    """The same of a table of the report."""
    (found,) = [one for one in report["tables"] if one["id"] == which]
    rows = {}
    for soc in found["classes"]:
        for term in [None, *soc["terms"]]:
            row = soc if term is None else term
            name = "" if term is None else term["name"]
            rows[(soc["name"], name)] = (row["events"], row["subjects"], row["serious"])
    return rows


def compare(tables, safety, outcomes):
    """The tallies."""
    tally = Tally()
    dm, ae, ds, ex = (table(tables, name) for name in ("dm", "ae", "ds", "ex"))
    first = ex[ex["EXSTDTC"] != ""].groupby("USUBJID")["EXSTDTC"].min().str[:10].to_dict()
    held = [name for name in CRITERIA if name in ae.columns]
    ae["serious"] = (ae[held] == "Y").any(axis=1)
    ae["emergence"] = [emergence(on, first.get(of)) for on, of in zip(ae["AESTDTC"], ae["USUBJID"])]
    emergent = ae[ae["emergence"].str.startswith("emergent")]
    treated = dm["USUBJID"].isin(ex["USUBJID"])
    failed = dm["USUBJID"].isin(ds[ds["DSDECOD"] == "SCREEN FAILURE"]["USUBJID"])
    died = dm["USUBJID"].isin(ds[ds["DSDECOD"] == "DEATH"]["USUBJID"])

    flow = {"screened": len(dm), "screen_failures": int(failed.sum()), "enrolled": int((~failed).sum())}
    flow |= {"infused": int(treated.sum()), "died": int((died & treated).sum())}
    tally.check("flow", {name: outcomes["flow"][name] for name in flow}, flow)
    populations = {"all_subjects": len(dm), "safety_set": int(treated.sum())}
    tally.check("populations", {name: safety["populations"][name] for name in populations}, populations)
    tally.check("deaths", safety["deaths"]["deaths"]["numerator"], int((died & treated).sum()))
    tally.check("deaths, untreated", safety["deaths"]["untreated"], int((died & ~treated).sum()))

    site_of = dm.set_index("USUBJID")["SITEID"]
    event_site = ae["USUBJID"].map(site_of)
    for report, column, sites in [
        (safety, "subjects", dm["SITEID"]),
        (safety, "safety_set", dm[treated]["SITEID"]),
        (safety, "events", event_site),
        (safety, "serious_events", event_site[ae["serious"]]),
        (safety, "deaths", dm[died]["SITEID"]),
        (outcomes, "screened", dm["SITEID"]),
        (outcomes, "enrolled", dm[~failed]["SITEID"]),
        (outcomes, "infused", dm[treated]["SITEID"]),
    ]:
        theirs = {site: int((sites == site).sum()) for site in dm["SITEID"].unique()}
        ours = {row["id"]: row[column] for row in report["sites"]}
        tally.check(f"{column} by site, {report['report']}", ours, theirs)

    counts = ae["emergence"].value_counts()
    theirs = {name: int(counts.get(name, 0)) for name in safety["emergence"]}
    tally.check("emergence", safety["emergence"], theirs)
    for name, events in [("all", ae), ("treatment_emergent", emergent)]:
        what = f"{name}: (events, subjects, serious)"
        tally.check(what, by_class_and_term_reported(safety, name), by_class_and_term(events))
        kinds = {
            "any": events,
            "serious": events[events["serious"]],
            "serious_reported": events[events["AESER"] == "Y"],
            "severe": events[events["AESEV"] == "SEVERE"],
            "fatal": events[(events["AEOUT"] == "FATAL") | (events["AESDTH"] == "Y")],
            "related": events[events["AEREL"].isin(["POSSIBLE", "PROBABLE", ""])],
            "related_not_judged": events[events["AEREL"] == ""],
        }
        theirs = {kind: (len(rows), rows["USUBJID"].nunique()) for kind, rows in kinds.items()}
        (overview,) = [one for one in safety["overviews"] if one["id"] == name]
        ours = {one["id"]: (one["events"], one["subjects"]["numerator"]) for one in overview["categories"]}
        tally.check(f"{name}: (events, subjects)", {kind: ours[kind] for kind in kinds}, theirs)
    differ = int(((ae["AESER"] == "Y") != ae["serious"]).sum())
    tally.check("reported seriousness and criteria disagree", len(safety["seriousness_disagreements"]), differ)
    return tally, flow, counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tables", type=pathlib.Path)
    parser.add_argument("trialbook", nargs="+")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:

        def trialbook(*arguments):
            command = [*options.trialbook, *arguments, "--data", data]
            return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout

        trialbook("import", "sdtm", str(options.tables), "--trial", "cdiscpilot01")
        safety = json.loads(trialbook("report", "safety", "--json"))
        outcomes = json.loads(trialbook("report", "outcomes", "--json"))
    tally, flow, emergences = compare(options.tables, safety, outcomes)
    print(f"CDISC pilot, counted by pandas {pd.__version__}: {flow}")
    print(f"adverse events by their onset: {emergences.to_dict()}")
    print(f"agreed in {tally.compared} counts")


if __name__ == "__main__":
    main()
