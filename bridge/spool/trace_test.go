package spool

import (
	"bytes"
	"testing"
)

func TestATraceIsCutOffAsItWasAdded(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"", "a=1", "SdkAppid=1&CallbackCommand=x", "a=1&", "%0A&%26=\r"} {
		for _, trace := range []string{"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a\nvendor=x&SdkAppid=2"} {
			stored := AppendTrace([]byte(query), trace)
			if len(stored) != len(query)+TraceBytes(trace) {
				t.Errorf("%q and %q are %d bytes", query, trace, len(stored))
			}
			if trace == "" && !bytes.Equal(stored, []byte(query)) {
				t.Errorf("%q without a trace is stored as %q", query, stored)
			}
			gotQuery, gotTrace := CutTrace(stored)
			if string(gotQuery) != query || string(gotTrace) != trace || (trace == "") != (gotTrace == nil) {
				t.Errorf("%q and %q come back as %q and %q", query, trace, gotQuery, gotTrace)
			}
		}
	}
}

// What an older version stored, and what is in no request, has no trace.
func TestAQueryWithoutTheMarkIsWhole(t *testing.T) {
	t.Parallel()
	for _, stored := range []string{"", "\n", "a\nb", "\n&", "a&"} {
		if query, trace := CutTrace([]byte(stored)); string(query) != stored || trace != nil {
			t.Errorf("%q was cut into %q and %q", stored, query, trace)
		}
	}
}
