"""One partition is one document; its key is the document's id."""

import dagster as dg

documents = dg.DynamicPartitionsDefinition(name="documents")
