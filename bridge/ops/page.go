package ops

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strings"
	"time"
)

// icon is what a browser shows in its tab.
const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M1 12V8a7 7 0 0 1 14 0v4M1 9h14" fill="none" stroke="#0b62a8" stroke-width="2"/></svg>`

// The page is read without its script; with it, it is live.
var (
	//go:embed page.html.tmpl
	pageSource string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string
)

// page is the operator's page.
type page struct {
	from     *Options
	gallery  *gallery
	template *template.Template
}

func newPage(o *Options) *page {
	p := &page{from: o, gallery: &gallery{charts: o.Charts, now: o.Now}}
	p.template = template.Must(template.New("page").Funcs(template.FuncMap{
		"clock": clock, "whose": whose, "inSeconds": UnitSeconds.format,
		"size": func(n int64) string { return UnitBytes.format(float64(n)) },
	}).Parse(pageSource))
	return p
}

// view is what the template is given.
type view struct {
	Status
	Events
	Title  string
	Charts []Chart
	Drawn  int64 // tells one drawing of the charts from the next
	Config string
	May    bool // do something
	Now    time.Time

	// Watched: the page is to load itself again where there is no script, and so has
	// no forms, which that would empty.
	Watched bool
	Self    string // where it is

	Asked   GroupQuery // the zero value: nothing was asked
	Refusal string     // why that cannot be answered
	Group   *Group
}

// ServeHTTP answers GET /[?group=<GroupId>[&topic=<TopicId>]|?watch].
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := view{
		Title:  "chatbridge",
		Status: p.from.Status(), Events: p.from.Events(), Charts: p.gallery.list(),
		Config: p.from.Config, May: p.from.Actions.Token != nil, Now: p.from.Now(), Drawn: p.from.Now().Unix() / int64(galleryEvery/time.Second),
		Asked:   GroupQuery{GroupID: r.URL.Query().Get("group"), TopicID: r.URL.Query().Get("topic")},
		Watched: r.URL.Query().Has("watch"), Self: r.URL.RequestURI(),
	}
	if !strings.HasPrefix(v.Version, v.Title) {
		v.Title += " " + v.Version
	} else {
		v.Title = v.Version
	}
	switch {
	case v.Asked.GroupID == "":
	case len(v.Asked.GroupID) > longestID || len(v.Asked.TopicID) > longestID:
		v.Asked, v.Refusal = GroupQuery{}, "No group and no topic has an id as long as that."
	default:
		g := p.from.Group(r.Context(), v.Asked)
		v.Group = &g
	}
	var b bytes.Buffer
	if err := p.template.Execute(&b, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func asset(kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind+"; charset=utf-8")
		_, _ = w.Write([]byte(text))
	}
}

// clock is a moment for people, of time.Time or a pointer to one.
func clock(at any) string {
	switch t := at.(type) {
	case time.Time:
		return t.UTC().Format("2006-01-02 15:04:05 UTC")
	case *time.Time:
		if t != nil {
			return clock(*t)
		}
	}
	return ""
}

// whose is where to look, for people.
func whose(f Fault) string {
	switch f {
	case FaultSender:
		return "the sender's side: Tencent's chat console, or whoever posts"
	case FaultBridge:
		return "the bridge itself, and the machine that it runs on"
	case FaultDisk:
		return "the disk of the spool"
	case FaultKafka:
		return "Kafka"
	}
	return string(f)
}
