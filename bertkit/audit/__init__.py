"""The findings behind `bertkit inspect-data`: one streaming pass, one file for each kind of finding."""

from bertkit.audit.findings import Finding
from bertkit.audit.report import Audit, SplitAudit
from bertkit.audit.run import audit
from bertkit.audit.verdict import TrainCommand
from bertkit.data.records import Place

__all__ = ["Audit", "Finding", "Place", "SplitAudit", "TrainCommand", "audit"]
