"""The report page (`page`), sheets of small pictures (`sheets`) and charts (`charts`), as bytes; nothing here trains."""
