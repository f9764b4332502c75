package bridge

// tracing makes the one metric of tracing, which stays 0 where it is off.
func (m *metrics) tracing() {
	m.spans = m.counterVec("trace_spans_total", "Spans of traces that ended, by what became of them; dropped ones found the queue full.", "result")
	for _, result := range []string{spanExported, spanDropped, spanFailed} {
		m.spans.WithLabelValues(result)
	}
}

func (m *metrics) countSpans(result string, n int) { m.spans.WithLabelValues(result).Add(float64(n)) }
