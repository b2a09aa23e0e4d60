"""Make the page that `dvc plots show` fills in, and the scripts that draw in it and in the report, without internet.

DVC's own page loads these scripts from the web.
"""

from mnist.files import save
from mnist.recipe import Recipe
from report.charts import bundle_scripts
from stages.pipeline import Workspace, run

# DVC replaces {plot_divs} and {refresh_tag}; the {scripts} of its own page, which are on the web, are left out.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>MNIST from scratch: plots</title>
<style>
  body { font-family: system-ui, sans-serif; margin: 2rem; }
  body > div { display: inline-block; margin: 0 2rem 2rem 0; vertical-align: top; }
</style>
<script>SCRIPTS</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def plots_page(_: Recipe, workspace: Workspace) -> None:
    """Write the scripts, and the page with them."""
    scripts = bundle_scripts()
    page = PAGE.replace("SCRIPTS", scripts)
    save({workspace.plots / "vega.js": scripts.encode(), workspace.plots / "page.html": page.encode()})


if __name__ == "__main__":
    run(plots_page, __doc__)
