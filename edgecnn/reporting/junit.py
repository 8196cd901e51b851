"""A check as JUnit's XML, which every CI server shows; the schema is that of Jenkins' xUnit plugin.

https://github.com/jenkinsci/xunit-plugin, junit-10.xsd: testsuites > testsuite > testcase, with
`failure` for what does not hold and `error` for what could not be found out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from edgecnn.reporting.check import budget_text
from edgecnn.text import printable, printable_lines

if TYPE_CHECKING:
    from edgecnn.benchmark.report import BudgetCheck, CheckReport
    from edgecnn.measurements import DeviceFailure

_LONG = 10_000


def junit_xml(report: CheckReport, name: str) -> bytes:
    """The report as an XML document; control characters in names are escaped, XML has none."""
    cases = [*map(_check, report.checks), *map(_failure, report.failures)]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
    }
    root = ET.Element("testsuites", counts)
    suite = ET.SubElement(
        root, "testsuite", {"name": printable(f"edgecnn check {name}", _LONG)} | counts
    )
    suite.extend(cases)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _check(check: BudgetCheck) -> ET.Element:
    threads = f", threads {check.threads}" if check.threads else ""
    case = _case(check.target or "file", f"{check.file}{threads}: {budget_text(check)}")
    if check.outcome == "broken":
        _add(case, "failure", check.reason, check.budget)
    elif check.outcome == "undecided":
        _add(case, "error", check.reason, check.budget)
    output = ET.SubElement(case, "system-out")
    output.text = printable_lines("\n".join(filter(None, (check.reason, check.warning))))
    return case


def _failure(failure: DeviceFailure) -> ET.Element:
    case = _case(failure.target, failure.file or "device")
    _add(case, "error", failure.message, "device").text = printable_lines(failure.hint)
    return case


def _case(group: str, name: str) -> ET.Element:
    names = {"classname": printable(group, _LONG), "name": printable(name, _LONG)}
    return ET.Element("testcase", names)


def _add(case: ET.Element, kind: str, message: str, what: str) -> ET.Element:
    attributes = {"message": printable_lines(message), "type": what}
    return ET.SubElement(case, kind, attributes)
