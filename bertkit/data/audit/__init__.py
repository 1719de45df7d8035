"""The findings behind `bertkit inspect-data`: one streaming pass, one file for each kind of finding."""

from bertkit.data.audit.findings import Finding, Place
from bertkit.data.audit.report import Audit, SplitAudit
from bertkit.data.audit.run import audit
from bertkit.data.audit.verdict import TrainCommand

__all__ = ["Audit", "Finding", "Place", "SplitAudit", "TrainCommand", "audit"]
