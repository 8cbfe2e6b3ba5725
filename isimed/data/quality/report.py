"""The quality report of a cohort: problems first, then every volume's geometry and intensities."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray
from pydantic import BaseModel

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import write_file
from isimed.core.progress import Progress
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.prepared.memory import MemoryBudget, default_workers
from isimed.data.quality.facts import VERSION, Facts, facts_of
from isimed.data.quality.rules import Finding, cohort_findings, volume_findings

SHOWN_OF_A_KIND = 5
ORDER = {"error": 0, "warning": 1, "notice": 2}


class QualityReport(BaseModel):
    """What `check_cohort` found.

    Attributes:
        findings: errors, then warnings, then notices.
        volumes: the measured facts, in the order of the manifest.
    """

    cohort: str
    modality: str
    findings: list[Finding]
    volumes: list[Facts]

    @property
    def state(self) -> Literal["error", "warning", "good"]:
        """The worst that was found; notices do not count."""
        kinds = {finding.severity for finding in self.findings}
        return "error" if "error" in kinds else "warning" if "warning" in kinds else "good"

    def lines(self) -> list[str]:
        """The report as text: a summary, the problems, then one line a volume."""
        counts: Counter[str] = Counter(finding.severity for finding in self.findings)
        found = ", ".join(f"{counts[kind]} {kind}{'s' * (counts[kind] != 1)}" for kind in ORDER if counts[kind])
        subjects = len({facts.subject for facts in self.volumes})
        text = [
            f"{self.cohort}: {len(self.volumes)} volumes of {subjects} patients, {self.modality}. "
            f"{found or 'No problems'}."
        ]
        for kind in dict.fromkeys((finding.severity, finding.kind) for finding in self.findings):
            same = [finding for finding in self.findings if (finding.severity, finding.kind) == kind]
            text += [
                f"{finding.severity:8}{finding.volume or 'cohort'}: {finding.message}"
                for finding in same[:SHOWN_OF_A_KIND]
            ]
            if len(same) > SHOWN_OF_A_KIND:
                text.append(f"{'':8}... and {len(same) - SHOWN_OF_A_KIND} more volumes: {kind[1]} (all with --json)")
        text.append(
            f"{'volume':32} {'shape':>13} {'spacing mm':>16} axes {'field of view mm':>16} {'intensity':>14} body"
        )
        return text + [_line(facts) for facts in self.volumes]

    def table(self) -> list[dict[str, str | float]]:
        """One row a volume, those with problems first, for a page."""
        worst: dict[str, str] = {}
        for finding in reversed(self.findings):
            worst[finding.volume] = finding.severity
        rows = [table_row(facts, worst.get(facts.id, "good")) for facts in self.volumes]
        return sorted(rows, key=lambda row: ORDER.get(str(row["state"]), 3))

    def told(self) -> dict[str, Any]:
        """For scripts: ``cohort``, ``modality``, ``state``, ``findings``, ``volumes``."""
        return {"state": self.state, **self.model_dump(mode="json")}

    def to_json(self) -> str:
        """The same as JSON."""
        return json.dumps(self.told(), indent=1, ensure_ascii=False)


def check_cohort(
    cohort: Cohort,
    progress: Progress | None = None,
    *,
    entries: Sequence[Entry] | None = None,
    seen: Callable[[Facts], None] | None = None,
) -> QualityReport:
    """Measure every volume (in parallel, within a memory budget) and report problems first.

    Args:
        cohort: which volumes; what was measured before is only read.
        progress: called with (done, total).
        entries: some volumes only.
        seen: called with the facts of each volume as soon as they are known.
    """
    if entries is None and (found := kept_report(cohort)):
        return found
    kept = _kept(cohort) if entries is None else None
    entries = list(cohort.volumes if entries is None else entries)
    budget = MemoryBudget()
    facts: list[Facts] = []
    bodies: list[NDArray | None] = []
    with ThreadPoolExecutor(default_workers()) as pool:
        try:
            for one, arrays in pool.map(lambda entry: facts_of(cohort, entry, budget), entries):
                facts.append(one)
                bodies.append(arrays.get("body"))
                if seen:
                    seen(one)
                if progress:
                    progress(len(facts), len(entries))
        except BaseException:  # stopped: nobody waits for the others
            pool.shutdown(cancel_futures=True)
            raise
    findings = [finding for one in facts for finding in volume_findings(one, cohort)]
    findings += cohort_findings(facts, bodies, cohort)
    findings.sort(key=lambda finding: (ORDER[finding.severity], finding.kind))
    report = QualityReport(cohort=cohort.name, modality=cohort.modality, findings=findings, volumes=facts)
    if kept is not None and not any(one.error for one in facts):
        write_file(kept, report.model_dump_json())
    return report


def kept_report(cohort: Cohort) -> QualityReport | None:
    """The report of exactly these files and this manifest, if it was made before and can be read."""
    if (kept := _kept(cohort)) is None:
        return None
    try:
        return QualityReport.model_validate_json(kept.read_bytes())
    except (OSError, ValueError):
        return None


def table_row(facts: Facts, state: str) -> dict[str, str | float]:
    """A volume for a table on a page; what was not measured yet is nan."""
    known = bool(facts.intensity or facts.error)
    return {
        "state": state,
        "volume": facts.id,
        "patient": facts.subject,
        "shape": "×".join(map(str, facts.shape)),
        "spacing mm": " × ".join(f"{value:.3g}" for value in facts.spacing_mm),
        "axes": facts.file_axes,
        "field of view mm": " × ".join(f"{value:.0f}" for value in facts.field_of_view_mm),
        "lowest": facts.intensity.get("min", float("nan")),
        "highest": facts.intensity.get("max", float("nan")),
        "body %": round(100 * facts.body_fraction, 1) if known else float("nan"),
    }


def _kept(cohort: Cohort) -> Path | None:
    """Where the report of exactly these files and this manifest lies, or would; None where a file is missing."""
    try:
        content = f"{VERSION}\0{cohort.model_dump_json()}\0{cohort.fingerprint}"
    except InputError:
        return None
    return paths.home() / "quality" / "reports" / f"{hashlib.sha256(content.encode()).hexdigest()[:24]}.json"


def _line(facts: Facts) -> str:
    if facts.error:
        return f"{facts.id:32} not readable"
    shape = "×".join(map(str, facts.shape))
    spacing = "×".join(f"{value:.3g}" for value in facts.spacing_mm)
    view = "×".join(f"{value:.0f}" for value in facts.field_of_view_mm)
    values = f"{facts.intensity['min']:.4g}..{facts.intensity['max']:.4g}"
    geometry = f"{shape:>13} {spacing:>16} {facts.file_axes:4} {view:>16}"
    return f"{facts.id:32} {geometry} {values:>14} {facts.body_fraction:4.0%}"
