package audit

import (
	"context"
	"fmt"
	"testing"

	"github.com/chatbridge/chatbridge/schema"
)

// BenchmarkAudit audits a topic of 20,000 records that lies in memory, with its
// ledger: what the audit itself costs for each record.
func BenchmarkAudit(b *testing.B) {
	const records = 20_000
	m := newTopicModel(4)
	for i := range uint64(records) {
		s := schema.Stream{AppID: testApp, GroupID: fmt.Sprintf("group %d", i%200)}
		m.publish(b, m.event(b, s, 1+i/200), schema.InOrder, schema.Hole{})
	}
	path := m.ledgerFile(b, true)
	b.ReportAllocs()
	for b.Loop() {
		r, err := New(m, Options{Ledger: path, TempDir: b.TempDir()}).Run(context.Background())
		if err != nil || !r.Clean {
			b.Fatal(err, r)
		}
	}
	b.ReportMetric(records*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
