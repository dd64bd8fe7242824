"""A field lab's measurements in a notebook: frames that know their units, owners and terms.

>>> from fieldlab_client import Lab
>>> lab = Lab("http://127.0.0.1:8000", token)
>>> lab.trial("first-cut-sme-a").frame()
"""

from fieldlab_client.agreement import Agreement, Event, Terms
from fieldlab_client.catalogue import Catalogue, Coverage, Entry
from fieldlab_client.errors import Answered, FieldlabClientError, LedgerChanged, NotWhole, RightEnded
from fieldlab_client.export import Export
from fieldlab_client.holdings import Asset, Missing, Participant, Tenure, Trial
from fieldlab_client.lab import Lab
from fieldlab_client.ledger import Access, Checkpoint, Ledger
from fieldlab_client.listing import Listing
from fieldlab_client.live import Live, Sample
from fieldlab_client.package import Package
from fieldlab_client.saved import check
from fieldlab_client.segment import Gap, Segment
from fieldlab_client.selection import Selection
from fieldlab_client.table import Measurements

__all__ = [
    "Access",
    "Agreement",
    "Answered",
    "Asset",
    "Catalogue",
    "Checkpoint",
    "Coverage",
    "Entry",
    "Event",
    "Export",
    "FieldlabClientError",
    "Gap",
    "Lab",
    "Ledger",
    "LedgerChanged",
    "Listing",
    "Live",
    "Measurements",
    "Missing",
    "NotWhole",
    "Package",
    "Participant",
    "RightEnded",
    "Sample",
    "Segment",
    "Selection",
    "Tenure",
    "Terms",
    "Trial",
    "check",
]
