package simulate

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// BenchmarkDelivery is what the sender itself costs for each callback: plan,
// body, signature, ledger line; without the network.
func BenchmarkDelivery(b *testing.B) {
	o := Defaults()
	o.URL, o.App, o.Token, o.Groups, o.Rate, o.Seed = "http://127.0.0.1:1/", 1, "token", 200, 0, 1
	o.Disorder, o.Duplicate, o.Drop = 0.2, 0.05, 0.03
	s := &schedule{
		opt: &o, rnd: newRandom(1, 0), groups: newStreams(&o), now: time.Now,
		numbered: func(s *stream, seq uint64) error { s.reserved = seq + reserveBlock; return nil },
		dropped:  func(*stream, uint64) {},
	}
	var (
		body  bodyWriter
		query []byte
		sign  = newSigner(&o)
		bytes int
	)
	b.ReportAllocs()
	for b.Loop() {
		d, _, _ := s.next()
		query = sign.append(query[:0], &d.msg, 1760000000)
		raw := body.write(&d.msg, d.copies, 1760000000000)
		bytes += len(raw)
		_, _ = d.msg.read(raw)
	}
	b.ReportMetric(float64(bytes)/float64(b.N), "body-bytes")
}

// BenchmarkLoopback sends over real connections to a server that does nothing
// but answer, in the same process.
func BenchmarkLoopback(b *testing.B) {
	o := Defaults()
	o.URL, o.App, o.Token, o.Rate = newBlindServer(b), 1, "token", 0
	o.Groups, o.Disorder, o.Duplicate, o.Drop = 200, 0.2, 0.05, 0.03
	o.Count, o.Ledger = uint64(b.N), b.TempDir()+"/ledger"
	sum, err := New(o).Run(context.Background(), nil)
	if err != nil {
		b.Fatal(err)
	}
	if sum.MessagesStored != uint64(b.N) {
		b.Fatalf("%+v", sum)
	}
	b.ReportMetric(sum.PerSecond, "callbacks/s")
}

// newBlindServer answers OK to whatever has a Content-Length.
func newBlindServer(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 52\r\n\r\n" + `{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}` + "\r\n"
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					if _, err := in.ReadSlice('\n'); err != nil { // the request line
						return
					}
					h := head{length: -1}
					for {
						line, err := readLine(in)
						if err != nil || len(line) == 0 {
							break
						}
						_ = h.field(line)
					}
					if _, err := io.CopyN(io.Discard, in, int64(h.length)); err != nil {
						return
					}
					if _, err := io.WriteString(conn, answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/callback"
}
