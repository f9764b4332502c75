//go:build !race

package ingest

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Tracing that is off costs a callback no allocation: the handler makes none, as it
// made none before there was any tracing. Under the race detector pools forget at random.
func TestTracingThatIsOffCostsACallbackNothing(t *testing.T) {
	srv := benchServer(t)
	content := benchBody()
	body := strings.NewReader(content)
	r, err := http.NewRequest(http.MethodPost, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.URL = &url.URL{Path: path, RawQuery: goodQuery()}
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r.Body, r.ContentLength = io.NopCloser(body), body.Size()
	w := &sink{header: make(http.Header, 4)}
	n := testing.AllocsPerRun(1000, func() {
		body.Reset(content)
		srv.http.Handler.ServeHTTP(w, r)
	})
	if n > 0 {
		t.Errorf("a callback takes %v allocations; without tracing it took none", n)
	}
}
