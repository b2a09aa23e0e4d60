"""The report page (`page`), sheets of small pictures (`sheets`) and charts (`charts`); this package does not train."""
