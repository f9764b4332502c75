package ops

import (
	"net/http"
	"sync"
	"time"
)

// galleryEvery is how old a drawn chart may be. Drawing takes milliseconds, one
// after the other; any number of readers costs no more than one.
const galleryEvery = 5 * time.Second

// gallery draws charts, and shows them for a while.
type gallery struct {
	charts func() []Chart
	now    func() time.Time

	mu    sync.Mutex
	at    time.Time
	shown []Chart
	drawn map[picture][]byte
}

// picture is one drawing of a chart.
type picture struct {
	name string
	dark bool
}

// list returns the charts of now, or of a moment ago.
func (g *gallery) list() []Chart {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refreshLocked()
	return g.shown
}

func (g *gallery) refreshLocked() {
	if now := g.now(); g.drawn == nil || now.Sub(g.at) >= galleryEvery || now.Before(g.at) {
		g.at, g.shown, g.drawn = now, g.charts(), map[picture][]byte{}
	}
}

// draw returns one as SVG; nil: there is none of that name.
func (g *gallery) draw(p picture) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refreshLocked()
	if svg, ok := g.drawn[p]; ok {
		return svg, nil
	}
	for i := range g.shown {
		if g.shown[i].Name == p.name {
			svg, err := g.shown[i].draw(p.dark)
			if err == nil {
				g.drawn[p] = svg
			}
			return svg, err
		}
	}
	return nil, nil
}

// ServeHTTP answers GET /charts/{name}[?dark].
func (g *gallery) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	svg, err := g.draw(picture{r.PathValue("name"), r.URL.Query().Has("dark")})
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case svg == nil:
		http.NotFound(w, r)
	default:
		h := w.Header()
		h.Set("Content-Type", "image/svg+xml")
		// A picture styles itself; it runs and loads nothing.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		_, _ = w.Write(svg)
	}
}
