package ops

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"mime"
	"net/http"
	"net/url"
)

// Actions are what may be done on the page. The zero value is nothing.
type Actions struct {
	// Token returns what whoever does something has to know, beside the door's
	// password; it is asked for each time, and a page elsewhere does not know it.
	Token func() (string, error)
	Do    map[string]func(peer string) // each returns at once; peer is who wants it
}

// mostOfAForm bounds what is read of a request.
const mostOfAForm = 4 << 10

// formType is how a browser sends the page's form.
const formType = "application/x-www-form-urlencoded"

// actionHandler answers POST /actions, with the fields token and action.
type actionHandler struct {
	Actions
	tries *tries
}

// refusal is why something is not done, for people.
type refusal struct {
	Status int
	Reason string
}

// ServeHTTP implements http.Handler.
func (h *actionHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	do, refused := h.read(w, r)
	if refused != nil {
		refused.write(w)
		return
	}
	_, peer := peerOf(r.RemoteAddr)
	do(peer)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// read finds what is to be done, and whether it may be.
func (h *actionHandler) read(w http.ResponseWriter, r *http.Request) (do func(peer string), no *refusal) {
	if h.Token == nil {
		return nil, &refusal{http.StatusNotFound, "Nothing can be done on this page: ops.action_token is not set."}
	}
	form, no := readForm(w, r)
	if no != nil {
		return nil, no
	}
	do, known := h.Do[form.Get("action")]
	switch {
	case !form.Has("action"):
		return nil, &refusal{http.StatusBadRequest, "The request does not say what is to be done: the field action is missing."}
	case !known:
		return nil, &refusal{http.StatusNotFound, "There is no such action."}
	case !form.Has("token"):
		return nil, &refusal{http.StatusBadRequest, "The request has no field token."}
	}
	return do, h.check(r.RemoteAddr, form.Get("token"))
}

// readForm reads what the page's form sends.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, *refusal) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, &refusal{http.StatusMethodNotAllowed, "Nothing is done by a link: use the buttons on the page."}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != formType {
		return nil, &refusal{http.StatusUnsupportedMediaType, "An action is sent as a form, " + formType + "."}
	}
	r.Body = http.MaxBytesReader(w, r.Body, mostOfAForm)
	var large *http.MaxBytesError
	switch err := r.ParseForm(); {
	case errors.As(err, &large):
		return nil, &refusal{http.StatusRequestEntityTooLarge, "The request is larger than 4 KiB, and nothing that is asked for is as long as that."}
	case err != nil:
		return nil, &refusal{http.StatusBadRequest, "The request is not a form that can be read."}
	}
	return r.PostForm, nil
}

// check asks for the token; nil: it is the right one.
func (h *actionHandler) check(remote, got string) *refusal {
	want, err := h.Token()
	if err != nil || want == "" {
		return &refusal{http.StatusServiceUnavailable, "The token cannot be read: look at ops.action_token_file."}
	}
	switch h.tries.try(remote, got, want) {
	case wrong:
		return &refusal{http.StatusForbidden, "This is not the token of ops.action_token."}
	case tooMany:
		return &refusal{http.StatusTooManyRequests, "There were too many wrong tokens from your address. Try again in some seconds."}
	}
	return nil
}

//go:embed refusal.html.tmpl
var refusalSource string

var refusalTemplate = template.Must(template.New("refusal").Parse(refusalSource))

// write answers with the reason, as a page that leads back.
func (no *refusal) write(w http.ResponseWriter) {
	var b bytes.Buffer
	if err := refusalTemplate.Execute(&b, no); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if no.Status == http.StatusTooManyRequests {
		h.Set("Retry-After", retryAfter)
	}
	w.WriteHeader(no.Status)
	_, _ = w.Write(b.Bytes())
}
