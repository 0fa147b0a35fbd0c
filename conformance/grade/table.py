"""The gradings of several clients as one table in Markdown; called by the script beside it."""

import json
import sys
from datetime import date
from pathlib import Path

place = Path(sys.argv[1])
names = (place / "names").read_text().splitlines()
reports = []
for at in range(len(names)):
    text = (place / f"{at + 1}.json").read_text()
    reports.append(json.loads(text) if text else {"rules": [], "findings": [], "notTried": []})
titles = {}
for report in reports:
    for rule in report["rules"]:
        titles.setdefault(rule["rule"], rule["title"])

print("# How clients behave in the window\n")
print(
    f"Made by `conformance/grade/table` on {date.today():%d %B %Y}: each client's command, run by `reveille grade` once"
    " in each scenario; a rule is kept where it is in all of its scenarios. What the rules say and where they are from:"
    " [contract.md](contract.md). The platform's own Go client cannot be had from the module proxy: in its place stands"
    " a client of another API whose layer of requests and retries is by the same generator, asked for the same.\n"
)
print("| rule | |", " | ".join(names), "|")
print("| --- | --- |", " | ".join("---" for _ in names), "|")
for rule in sorted(titles, key=list(titles).index):
    cells = []
    for report in reports:
        found = [finding for finding in report["findings"] if finding["rule"] == rule]
        kept = sum(finding["verdict"] == "kept" for finding in found)
        if not found:
            cells.append("not judged")
        elif kept == len(found):
            cells.append("kept")
        else:
            cells.append("**broken**" if kept == 0 else f"**broken** ({kept} of {len(found)} kept)")
    print("|", rule, "|", titles[rule], "|", " | ".join(cells), "|")
print("\n## What their errors say\n")
for name, report in zip(names, reports):
    said = [finding["said"] for finding in report["findings"] if finding["rule"] == "T2" and finding.get("said")]
    if said:
        print(f"- {name}: `{said[-1].replace('`', '')}`")
for name, report in zip(names, reports):
    for operation, why in report["notTried"]:
        print(f"- {name}, {operation} was not tried: `{why.replace('`', '')}`")
