package tail

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"time"
)

// object is a record in JSON.
type object struct {
	Partition int               `json:"partition"`
	Offset    int64             `json:"offset"`
	Time      time.Time         `json:"time"`
	Key       string            `json:"key"`
	Headers   map[string]string `json:"headers"`
	Value     json.RawMessage   `json:"value,omitempty"`
	// ValueBase64 is there in place of Value where that is not JSON.
	ValueBase64 string `json:"value_base64,omitempty"`
}

// WriteJSON writes a record as one line of JSON.
func WriteJSON(w io.Writer, r *Record) error {
	o := object{
		Partition: r.Partition, Offset: r.Offset, Time: r.Time.UTC(), Key: string(r.Key),
		Headers: make(map[string]string, len(r.Headers)),
	}
	for _, h := range r.Headers {
		o.Headers[h.Key] = string(h.Value)
	}
	if json.Valid(r.Value) {
		o.Value = r.Value
	} else {
		o.ValueBase64 = base64.StdEncoding.EncodeToString(r.Value)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(o)
}
