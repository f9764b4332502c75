package ops

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// hour is charts with a gap, and one with nothing in it.
func hour() []Chart {
	times := make([]time.Time, 4)
	for i := range times {
		times[i] = time.Date(2026, 1, 2, 3, 4, 15*i, 0, time.UTC)
	}
	nothing := []float64{math.NaN(), math.NaN(), math.NaN(), math.NaN()}
	return []Chart{
		{Name: "callbacks", Title: "Callbacks", Unit: UnitPerSecond, Times: times, Series: []Series{
			{Name: "stored", Values: []float64{math.NaN(), 512, 700.4, 1.25}}, {Name: "never", Values: nothing},
		}},
		{Name: "held", Title: "Held", Unit: UnitCount, Times: times, Series: []Series{{Name: "messages", Values: nothing}}},
	}
}

func events() Events {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Events{
		Refused: []Refused{{At: at, Reason: "signature-wrong", Bytes: 1536}},
		Letters: []Letter{{Number: 3, At: at, Reason: "too-long", Bytes: 70000, Body: []byte("the beginning")}, {Number: 2, At: at, Reason: "not-json", Bytes: 8, Body: []byte("<b>whole")}, {Number: 1, At: at, Reason: "too-deep", Bytes: 70000}},
		Log:     []Entry{{At: at, Level: "warn", Part: "relay", Message: "a topic is not there yet", Fields: "topic=<chat>"}},
	}
}

func TestChartsAreDrawnForBothPages(t *testing.T) {
	t.Parallel()
	base := serve(t, good())
	_, light := get(t, base+"/charts/callbacks?123")
	_, dark := get(t, base+"/charts/callbacks?dark&123")
	for name, svg := range map[string]string{"light": light, "dark": dark} {
		if !strings.HasPrefix(svg, "<svg") || !strings.Contains(svg, "stored") || !strings.Contains(svg, "03:04") || strings.Contains(svg, "NaN") {
			t.Errorf("%s: %.300s", name, svg)
		}
	}
	if light == dark {
		t.Error("the light and the dark chart are the same")
	}
	if code, svg := get(t, base+"/charts/held"); code != http.StatusOK || !strings.HasPrefix(svg, "<svg") {
		t.Errorf("a chart with nothing in it: %d %.300s", code, svg)
	}
	if code, _ := get(t, base+"/charts/others"); code != http.StatusNotFound {
		t.Errorf("a chart that there is not: %d", code)
	}
}

// A chart is drawn once for all who look at it within some seconds: what looks do
// not cost cannot be used against the bridge.
func TestAChartIsDrawnOnceForAll(t *testing.T) {
	t.Parallel()
	now, asked := time.Unix(1000, 0), 0
	g := &gallery{now: func() time.Time { return now }, charts: func() []Chart { asked++; return hour() }}
	for range 10 {
		g.list()
		if _, err := g.draw(picture{name: "callbacks"}); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 || len(g.drawn) != 1 {
		t.Errorf("asked %d times, %d drawn; want one of each", asked, len(g.drawn))
	}
	now = now.Add(galleryEvery)
	g.list()
	if asked != 2 || len(g.drawn) != 0 {
		t.Errorf("later: asked %d times, %d drawn; want anew", asked, len(g.drawn))
	}
	now = now.Add(-time.Hour)
	if g.list(); asked != 3 {
		t.Error("a clock that was set back stops the charts")
	}
}

func TestSummariesSayWhatChartsShow(t *testing.T) {
	t.Parallel()
	charts := hour()
	if got, want := charts[0].Summary(), "stored: now 1.2/s, at most 700/s"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
	if got, want := charts[1].Summary(), "nothing in the last hour"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
	for want, c := range map[string]struct {
		unit  Unit
		value float64
	}{
		"3": {UnitCount, 3}, "12/min": {UnitPerMinute, 12.4}, "2.5 ms": {UnitSeconds, .0025}, "1.5 s": {UnitSeconds, 1.5},
		"900 B": {UnitBytes, 900}, "1.5 KiB": {UnitBytes, 1536}, "10 GiB": {UnitBytes, 10 << 30}, "2 TiB": {UnitBytes, 2 << 40},
	} {
		if got := c.unit.format(c.value); got != want {
			t.Errorf("%v: %q; want %q", c.value, got, want)
		}
	}
}

func TestThePageFindsAGroup(t *testing.T) {
	t.Parallel()
	base := serve(t, good())
	for path, want := range map[string]string{
		"/?group=%3Cg%3E": "Group &lt;g&gt;",
		"/?group=g":       "14 (for 13 ms more)",
		"/?group=" + strings.Repeat("x", longestID+1): "No group and no topic has an id as long as that.",
	} {
		if code, body := get(t, base+path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%.40s: %d, and no %q in\n%s", path, code, want, body)
		}
	}
	// Of the second stream nothing is remembered, and the page must not say that there was nothing.
	if _, body := get(t, base+"/?group=g"); strings.Count(body, "<dd>not remembered</dd>") != 2 || strings.Contains(body, "not since the start") {
		t.Errorf("the page says of what is not remembered:\n%s", body)
	}
	if _, body := get(t, base+"/"); strings.Contains(body, "<h3>Group") {
		t.Error("without a question there is an answer")
	}
}

// Read without its script, the page keeps what is typed into it: it loads itself
// again only where it is asked to, and has no forms then.
func TestThePageDoesNotEmptyItsForms(t *testing.T) {
	t.Parallel()
	o := Options{Sources: sources(good())}
	o.Actions.Token = func() (string, error) { return "the token", nil }
	h := New(o).http.Handler
	for path, c := range map[string]struct {
		again bool
		link  string
	}{
		"/":                     {false, `href="/"`},
		"/?group=%3Cg%3E&topic": {false, `href="/?group=%3Cg%3E&amp;topic"`},
		"/?watch":               {true, `href="/"`},
		"/?watch&group=g":       {true, `href="/"`},
	} {
		page := answer(h, http.MethodGet, path, nil).Body.String()
		again, forms := strings.Contains(page, `http-equiv="refresh"`), strings.Count(page, "<form")
		if again != c.again || (forms == 0) != c.again || !strings.Contains(page, c.link) {
			t.Errorf("%s: it loads itself again: %v, has %d forms; want %v, and %s in\n%s", path, again, forms, c.again, c.link, page)
		}
	}
}

// P7: message texts are shown where that is configured, one at a time, as text.
func TestABodyIsShownOnlyWhereItIsKept(t *testing.T) {
	t.Parallel()
	w := ask(Door{}, "/letters/2", nil)
	if w.Code != http.StatusOK || w.Body.String() != "<b>whole" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("a body that is kept: %d %s %q", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if w := ask(Door{}, "/letters/3", nil); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "the beginning\n\n(the first 13 of 70000 bytes: ") {
		t.Errorf("a body of which the beginning is kept: %d %q", w.Code, w.Body)
	}
	for _, path := range []string{"/letters/1", "/letters/4", "/letters/x"} {
		if w := ask(Door{}, path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	_, page := get(t, serve(t, good())+"/")
	if strings.Contains(page, "whole") || !strings.Contains(page, "body 3</a>, its beginning<") || !strings.Contains(page, "body 2</a><") || !strings.Contains(page, `href="/letters/2"`) || strings.Contains(page, `href="/letters/1"`) {
		t.Error("the page shows a body, or a link to one that is not kept")
	}
}

// The page is whole by itself, and needs nothing that its policy forbids.
func TestThePageKeepsItsOwnPolicy(t *testing.T) {
	t.Parallel()
	_, page := get(t, serve(t, bad())+"/")
	for _, forbidden := range []string{"http://", "https://", " style=", "<style", "onclick", "data:", "javascript:"} {
		if strings.Contains(page+pageStyle, forbidden) {
			t.Errorf("the page has %q", forbidden)
		}
	}
	for _, path := range []string{"/page.css", "/page.js", "/icon.svg"} {
		if code, text := get(t, serve(t, good())+path); code != http.StatusOK || text == "" {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	o := Options{Sources: sources(good())}
	h := New(o).http.Handler
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = "localhost"
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
