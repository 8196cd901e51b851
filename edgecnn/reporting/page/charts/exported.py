"""The user's artifacts: what each recipe's file weighs, and how close it is to float."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import dots
from edgecnn.reporting.page.figure import Column, Figure, Gap, Source, choose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edgecnn.records import Manifest
    from edgecnn.reporting.page.figure import Row
    from edgecnn.reporting.page.material import Material

ID = "exported"
_MEGA = 1e6
COLUMNS = (
    Column("name", "network", words.plain),
    Column("recipe", "recipe", words.plain),
    Column("file", "file", words.plain),
    Column("bytes", "size", words.size, number=True),
    Column("macs", "MACs", words.count, number=True),
    Column("snr_db", "SNR against float", words.decibel, number=True),
    Column("agreement", "same best class", words.percent, number=True),
    Column("folder", "folder", words.plain),
    Column("provenance", "provenance", words.plain),
)


def gather(material: Material) -> Figure | Gap:
    """One row a file of an artifact."""
    if not material.manifests:
        return Gap(
            ID, "Exported here", "No network was exported here yet.", ("edgecnn export xception",)
        )
    gathered = tuple(
        row for folder, manifest in material.manifests.items() for row in rows(folder, manifest)
    )
    return Figure(
        id=ID,
        title=f"{len(material.manifests)} artifacts exported here",
        reading="Each mark is a file's size, measured; the table has its distance from float.",
        columns=COLUMNS,
        rows=gathered,
        filters=(choose(gathered, "recipe", "Recipe"),),
        sources=(source(material.manifests.values()),),
    )


def source(manifests: Iterable[Manifest]) -> Source:
    """The manifests, with the versions of what took part."""
    versions = {
        f"{name} {version}": None
        for manifest in manifests
        for name, version in manifest.versions.items()
    }
    return Source(
        ("measured",), "manifest.json", versions=tuple(versions), command="edgecnn export"
    )


def rows(folder: str, manifest: Manifest) -> Iterator[Row]:
    """One row a file."""
    for file in manifest.files:
        yield {
            "name": manifest.model.name,
            "recipe": manifest.recipe,
            "file": file.path,
            "format": f".{file.format}",
            "bytes": file.bytes,
            "mega": file.bytes / _MEGA,
            "macs": sum(file.graph.macs_by_dtype.values()),
            "snr_db": file.parity.snr_db,
            "agreement": file.parity.top1_agreement,
            "folder": folder,
            "provenance": "measured",
        }


def draw(figure: Figure) -> drawing.Drawing:
    """A row for each network, a mark for each recipe."""
    import altair as alt

    x = alt.X(field="mega", type="quantitative", axis=alt.Axis(title="size of the file, MB"))
    return dots.draw(figure, name="name", x=x, colour="recipe")
