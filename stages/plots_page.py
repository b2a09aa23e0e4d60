"""Write the scripts that draw the page of `dvc plots show` and the report, so that both open without internet.

DVC's own page loads these scripts from the web. The page in report/plots.html, which DVC fills in, loads plots/vega.js.
"""

from mnist.files import save
from mnist.recipe import Recipe
from report.charts import bundle_scripts
from stages.pipeline import Workspace, run


def plots_page(_: Recipe, workspace: Workspace) -> None:
    """Write the scripts."""
    save({workspace.chart_scripts: bundle_scripts().encode()})


if __name__ == "__main__":
    run(plots_page, __doc__)
