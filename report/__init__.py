"""The report page (`page`), sheets of small pictures (`sheets`) and charts (`charts`); nothing here trains."""
