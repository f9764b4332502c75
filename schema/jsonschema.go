package schema

import (
	"bytes"
	_ "embed" // for the schema's file
)

// DataSchema is the $id of the JSON Schema, and ce_dataschema of every record.
const DataSchema = "https://github.com/chatbridge/chatbridge/raw/main/schema/event.v1.schema.json"

//go:embed event.v1.schema.json
var jsonSchema []byte

// JSONSchema returns a copy of the JSON Schema (2020-12) of the event.
func JSONSchema() []byte { return bytes.Clone(jsonSchema) }
