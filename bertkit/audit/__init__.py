"""The findings behind `bertkit inspect-data`: one streaming pass, a part for each kind of finding."""

from bertkit.audit.findings import Finding
from bertkit.audit.run import Audit, SplitAudit, TrainCommand, audit
from bertkit.data.records import Place

__all__ = ["Audit", "Finding", "Place", "SplitAudit", "TrainCommand", "audit"]
