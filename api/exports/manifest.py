"""What is in a package and whose it is: the manifest, and the same for research repositories as RO-Crate metadata."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.answers.segments import segment_document
from api.exports.archive import Packed
from api.exports.plan import Plan
from api.models.exports import ExportRequest
from fieldlab.assets.asset import Stream
from fieldlab.ownership.export import ExportJob
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Segment

MANIFEST: Final = "manifest.json"
CRATE: Final = "ro-crate-metadata.json"

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A stream in the package, with its segments as they turned out."""

    stream: Stream
    file: Packed
    rows: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """All that a package says of itself. `names` are those of participants, by slug."""

    job: ExportJob
    scope: ReadScope
    request: ExportRequest
    plan: Plan
    tables: Sequence[Table]
    papers: Sequence[Packed]
    names: Mapping[str, str]

    @property
    def title(self) -> str:
        """Say what it is."""
        request = self.request
        if request.everything:
            return f"Everything of {self.scope.participant}"
        if request.trial is not None:
            return f"Trial {request.trial}"
        return f"Measurements of {request.asset or ', '.join(table.stream.reference for table in self.tables[:3])}"

    @property
    def owners(self) -> list[str]:
        """Whose data it is."""
        return sorted({segment.owner for table in self.tables for segment in table.segments})

    @property
    def licences(self) -> list[str]:
        """The licences that agreements declare."""
        declared = {segment.basis.licence for table in self.tables for segment in table.segments}
        return sorted(licence for licence in declared if licence)


def manifest(contents: Contents) -> Document:
    """Write the manifest: the question, the decision, and each file with units, segments, gaps, terms and checksum."""
    return {
        "format": "fieldlab-package/1",
        "title": contents.title,
        "export": str(contents.job.id),
        "for": contents.scope.participant,
        "question": contents.request.document(),
        "decided_at": str(contents.plan.decided_at),
        "owners": {slug: contents.names.get(slug, slug) for slug in contents.owners},
        "licences": contents.licences,
        "streams": [_table(table) for table in contents.tables],
        "files": [
            {"path": file.path, "media_type": file.media_type, "size": file.size, "sha256": file.sha256}
            for file in (*(table.file for table in contents.tables), *contents.papers)
        ],
    }


def _table(table: Table) -> Document:
    stream = table.stream
    return {
        "id": str(stream.id),
        "reference": stream.reference,
        "asset": stream.asset,
        "name": stream.name,
        "unit": stream.unit,
        "quantity": stream.quantity,
        "kind": stream.kind.value,
        "semantic_id": stream.semantic_id,
        "description": stream.description,
        "nature": stream.nature.value,
        "file": table.file.path,
        "sha256": table.file.sha256,
        "rows": table.rows,
        "segments": [segment_document(segment, str(stream.id)) for segment in table.segments],
    }


def crate(contents: Contents, listed: Packed) -> Document:
    """Write RO-Crate 1.1 metadata (https://w3id.org/ro/crate/1.1); `listed` is the manifest."""
    papers = [*contents.papers, listed]
    owners = [_id(f"#participant-{slug}") for slug in contents.owners]
    licences = [_licence(name) for name in contents.licences] or [
        {
            "@id": "#terms",
            "@type": "CreativeWork",
            "name": "Terms of the owners",
            "description": f"What is whose, and on what terms, stands in {MANIFEST}; it is not free for everybody.",
        }
    ]
    root: Document = {
        "@id": "./",
        "@type": "Dataset",
        "name": contents.title,
        "description": f"Measurements of a field lab, as {contents.scope.participant} may read them. Each row names "
        f"its owner and its segment; segments, gaps and terms are in {MANIFEST}.",
        "datePublished": str(contents.plan.decided_at),
        "identifier": f"urn:uuid:{contents.job.id}",
        "license": _one_or_all([_id(licence["@id"]) for licence in licences]),
        "creator": _one_or_all(owners),
        "variableMeasured": [_id(f"#{table.stream.reference}") for table in contents.tables],
        "hasPart": [_id(file.path) for file in (*(table.file for table in contents.tables), *papers)],
    }
    return {
        "@context": ["https://w3id.org/ro/crate/1.1/context", {"sha256": "https://schema.org/sha256"}],
        "@graph": [
            {
                "@id": CRATE,
                "@type": "CreativeWork",
                "conformsTo": _id("https://w3id.org/ro/crate/1.1"),
                "about": _id("./"),
            },
            root,
            *licences,
            *(
                {"@id": f"#participant-{slug}", "@type": "Organization", "name": contents.names.get(slug, slug)}
                for slug in contents.owners
            ),
            *(_variable(table.stream) for table in contents.tables),
            *(_data(table) for table in contents.tables),
            *(_file(file, file.path) for file in papers),
        ],
    }


def _variable(stream: Stream) -> Document:
    written = {
        "@id": f"#{stream.reference}",
        "@type": "PropertyValue",
        "name": stream.quantity or stream.name,
        "description": stream.description or stream.reference,
        "unitText": stream.unit,
    }
    return written | ({"propertyID": stream.semantic_id} if stream.semantic_id else {})


def _data(table: Table) -> Document:
    owners = sorted({segment.owner for segment in table.segments})
    intervals = [segment.interval for segment in table.segments]
    start, until = intervals[0].start, intervals[-1].until
    return {
        **_file(table.file, f"{table.stream.reference} in {table.stream.unit}"),
        "creator": _one_or_all([_id(f"#participant-{slug}") for slug in owners]),
        "variableMeasured": _id(f"#{table.stream.reference}"),
        "temporalCoverage": f"{start if start.finite else '..'}/{until if until.finite else '..'}",
    }


def _file(file: Packed, name: str) -> Document:
    return {
        "@id": file.path,
        "@type": "File",
        "name": name,
        "encodingFormat": file.media_type,
        "contentSize": str(file.size),
        "sha256": file.sha256,
    }


def _licence(name: str) -> Document:
    named = " " not in name
    return {
        "@id": f"http://spdx.org/licenses/{name}" if named else "#licence",
        "@type": "CreativeWork",
        "name": name,
        "description": f"{name}, as an agreement declares it.",
    }


def _one_or_all(nodes: list[Document]) -> Document | list[Document]:
    return nodes[0] if len(nodes) == 1 else nodes


def _id(iri: str) -> Document:
    return {"@id": iri}
