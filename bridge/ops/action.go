package ops

import (
	"net/http"
)

// Actions are what may be done on the page. The zero value is nothing.
type Actions struct {
	// Token returns what whoever does something has to know, beside the door's
	// password; it is asked for each time, and a page elsewhere does not know it.
	Token func() (string, error)
	Do    map[string]func() // each returns at once
}

// mostOfAForm bounds what is read of a request.
const mostOfAForm = 4 << 10

// ServeHTTP answers POST /actions, with the fields token and action.
func (a Actions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, mostOfAForm)
	action, known := a.Do[r.PostFormValue("action")]
	if a.Token == nil || !known {
		http.NotFound(w, r)
		return
	}
	want, err := a.Token()
	if err != nil || want == "" {
		http.Error(w, "the token cannot be read: look at ops.action_token_file", http.StatusServiceUnavailable)
		return
	}
	if same(r.PostFormValue("token"), want) != 1 {
		http.Error(w, "this is not the token of ops.action_token", http.StatusForbidden)
		return
	}
	action()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
