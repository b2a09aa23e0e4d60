"""Make the page that `dvc plots show` fills in, and the scripts that draw in it and in the report, without internet.

DVC's own page loads these scripts from the web. DVC replaces {plot_divs} and {refresh_tag} in the page.
"""

from mnist.files import save
from mnist.recipe import Recipe
from report.charts import bundle_scripts, plots_template
from stages.pipeline import Workspace, run


def plots_page(_: Recipe, workspace: Workspace) -> None:
    """Write the scripts, and the page with them."""
    scripts = bundle_scripts()
    page = plots_template().replace("SCRIPTS", scripts)
    save({workspace.plots / "vega.js": scripts.encode(), workspace.plots / "page.html": page.encode()})


if __name__ == "__main__":
    run(plots_page, __doc__)
