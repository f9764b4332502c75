package ops

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// login gives a password.
func login(password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(User, password) }
}

// answer asks a handler under the listener's own name.
func answer(h http.Handler, method, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "localhost"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// post sends an action.
func post(h http.Handler, kind, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/actions", strings.NewReader(body))
	r.Host = "localhost"
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// P7: what is not done says why, by its status too, on a page that leads back.
func TestAnActionThatIsNotDoneSaysWhy(t *testing.T) {
	t.Parallel()
	done := ""
	o := Options{Sources: sources(good())}
	o.Actions = Actions{
		Token: func() (string, error) { return "the token", nil },
		Do:    map[string]func(string){"pause": func(peer string) { done += peer + "\n" }},
	}
	h := New(o).http.Handler
	for body, want := range map[string]struct {
		kind   string
		status int
		says   string
	}{
		"action=pause&token=the+token":                               {"multipart/form-data; boundary=x", http.StatusUnsupportedMediaType, formType},
		`{"action":"pause"}`:                                         {"application/json", http.StatusUnsupportedMediaType, formType},
		"action=pause&token=the+token&x=%zz":                         {formType, http.StatusBadRequest, "not a form"},
		"action=pause":                                               {formType, http.StatusBadRequest, "field token"},
		"token=the+token":                                            {formType, http.StatusBadRequest, "field action"},
		"action=explode&token=the+token":                             {formType, http.StatusNotFound, "no such action"},
		"action=pause&token=":                                        {formType, http.StatusForbidden, "not the token"},
		"action=pause&token=another":                                 {formType, http.StatusForbidden, "not the token"},
		"action=pause&token=" + strings.Repeat("x", mostOfAForm):     {formType, http.StatusRequestEntityTooLarge, "4 KiB"},
		"action=pause&token=the+token&" + strings.Repeat("x", 5<<10): {formType, http.StatusRequestEntityTooLarge, "4 KiB"},
	} {
		w := post(h, want.kind, body)
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.says) {
			t.Errorf("%.40s as %s: %d; want %d and %q in\n%s", body, want.kind, w.Code, want.status, want.says, w.Body)
		}
		if page := w.Body.String(); !strings.Contains(page, `href="/page.css"`) || !strings.Contains(page, `<a href="/">`) ||
			!strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%.40s: the answer is no page that leads back:\n%s", body, page)
		}
	}
	if w := answer(h, http.MethodGet, "/actions?action=pause&token=the+token", nil); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodPost {
		t.Errorf("by a link: %d, %v", w.Code, w.Header())
	}
	if done != "" {
		t.Errorf("something was done: %q", done)
	}
	if w := post(h, formType+"; charset=utf-8", url.Values{"action": {"pause"}, "token": {"the token"}}.Encode()); w.Code != http.StatusSeeOther || done != "192.0.2.1\n" {
		t.Errorf("what may be done: %d, done by %q", w.Code, done)
	}
	if w := post(New(Options{Sources: sources(good())}).http.Handler, formType, "action=pause&token="); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "ops.action_token is not set") {
		t.Errorf("where there is no token: %d\n%s", w.Code, w.Body)
	}
}

// P7: a token cannot be found by trying.
func TestWrongTokensAreSlowedDown(t *testing.T) {
	t.Parallel()
	now, told, done := time.Unix(1760000000, 0), 0, 0
	o := Options{Sources: sources(good()), Now: func() time.Time { return now }, Failed: func(_, what string) {
		if what == Token {
			told++
		}
	}}
	o.Actions = Actions{
		Token: func() (string, error) { return "right", nil },
		Do:    map[string]func(string){"pause": func(string) { done++ }},
	}
	h := New(o).http.Handler
	for i := range failuresAtOnce + 5 {
		want := http.StatusForbidden
		if i >= failuresAtOnce {
			want = http.StatusTooManyRequests
		}
		if w := post(h, formType, "action=pause&token=wrong"); w.Code != want {
			t.Errorf("wrong token %d: %d; want %d", i+1, w.Code, want)
		}
	}
	now = now.Add(failureEach)
	if w := post(h, formType, "action=pause&token=right"); w.Code != http.StatusSeeOther || done != 1 || told != failuresAtOnce {
		t.Errorf("the right one, a second later: %d, done %d times, %d told", w.Code, done, told)
	}
}
