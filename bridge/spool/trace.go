package spool

import "bytes"

// A record may carry the trace that it belongs to, so that the trace goes on after
// a restart or an hour of backlog. It stands behind the record's query, after
// traceMark: no query of a request holds a newline, so nobody outside can write one
// that reads so. The format of the files knows nothing of it, a record without a
// trace has the same bytes as ever, and to a program that does not know traces it is
// a parameter without a meaning.
const traceMark = "&\n"

// TraceBytes is how many bytes AppendTrace adds.
func TraceBytes(trace string) int {
	if trace == "" {
		return 0
	}
	return len(traceMark) + len(trace)
}

// AppendTrace adds a trace to a query that is to be stored; "" adds nothing.
func AppendTrace(query []byte, trace string) []byte {
	if trace == "" {
		return query
	}
	return append(append(query, traceMark...), trace...)
}

// CutTrace takes a stored query apart: as it came, and the trace, nil where it has
// none. Both share the bytes of stored.
func CutTrace(stored []byte) (query, trace []byte) {
	at := bytes.IndexByte(stored, '\n')
	if at < 1 || stored[at-1] != '&' {
		return stored, nil
	}
	return stored[: at-1 : at-1], stored[at+1:]
}
