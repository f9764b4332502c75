package relay

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/schema"
)

// benchEntry is a stored callback of 650 bytes, the size that the project's
// figures are for.
func benchEntry(seq int) spool.Entry {
	const form = `{"CallbackCommand":"Group.CallbackAfterSendMsg","GroupId":"@TGS#bench","Type":"Public","From_Account":"jared",` +
		`"Operator_Account":"jared","Random":%d,"MsgId":"144115233406643804-1727580296-4026038328","MsgSeq":%d,"MsgTime":1760000000,` +
		`"OnlineOnlyFlag":0,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"TEXT"}}],"CloudCustomData":"","EventTime":1760000000123}`
	body := fmt.Sprintf(form, seq, seq)
	text := strings.Repeat("red packet ", 60)
	body = strings.Replace(body, "TEXT", text[:650-len(body)+len("TEXT")], 1)
	return spool.Entry{Position: spool.Position(seq), Record: spool.Record{
		ReceivedAt: time.Unix(1760000001, 0), Query: query(schema.CommandAfterSend), Body: []byte(body),
	}}
}

// BenchmarkRead is a record on its way to an event, its JSON included.
func BenchmarkRead(b *testing.B) {
	entry := benchEntry(1_000_000_000)
	var r recordReader
	b.ReportAllocs()
	for b.Loop() {
		if o, letter := r.read(&entry); letter != nil || len(o.value) == 0 {
			b.Fatal(letter)
		}
	}
}

// BenchmarkPack is a batch of events on its way to Kafka's messages.
func BenchmarkPack(b *testing.B) {
	const records = 100
	batch := make([]*outgoing, records)
	for i := range batch {
		var r recordReader
		entry := benchEntry(1_000_000_000 + i)
		o, letter := r.read(&entry)
		if letter != nil {
			b.Fatal(letter)
		}
		o.fact.Verdict = resequence.InOrder
		batch[i] = o
	}
	var p parcel
	b.ReportAllocs()
	for b.Loop() {
		p.pack(batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
}
