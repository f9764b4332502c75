package integration

import (
	"encoding/base64"
	"encoding/hex"
	"maps"
	"os"
	"slices"
	"strings"
)

// window is how much of a secret is looked for: one may have been cut.
const window = 10

// exported is what the collector was sent.
const exported = "the spans"

// search looks for every secret in all that was said, as it is and as it may have
// been written down.
func (v *vault) search() {
	v.t.Helper()
	said, err := os.ReadFile(v.log)
	if err != nil {
		v.t.Fatal(err)
	}
	v.shown["the log"], v.shown["standard output"] = string(said), v.out.String()
	v.spans.mu.Lock()
	v.shown[exported] = string(v.spans.raw)
	v.spans.mu.Unlock()
	for _, want := range []string{"request", "append", "hold", "publish", "@TGS#vault"} {
		if !strings.Contains(v.shown[exported], want) {
			v.t.Errorf("the spans say nothing of %q: the search shows too little", want)
		}
	}
	for _, want := range []string{ // what must have been said, or nothing was searched
		`"level":"debug"`, "DEBUG", "callback refused", "callback not understood",
		"kafka attempt failed", "kafka works again", "too large for its topic", "segment is damaged",
		"the collector does not take spans",
	} {
		if !strings.Contains(v.shown["the log"], want) {
			v.t.Errorf("the log says nothing of %q: the search shows too little", want)
		}
	}
	for _, where := range slices.Sorted(maps.Keys(v.shown)) {
		for secret, what := range v.secrets {
			if where == exported && what == tracestate {
				continue
			}
			if form, found := foundIn(v.shown[where], secret); found {
				v.t.Errorf("%s shows %s (%s): …%s…", where, what, form, around(v.shown[where], secret))
			}
		}
	}
	v.t.Logf("%d secrets, %d texts, %d bytes of log", len(v.secrets), len(v.shown), len(said))
}

// foundIn reports whether text holds a part of secret, and in which form.
func foundIn(text, secret string) (form string, found bool) {
	for at := 0; at+window <= len(secret); at++ {
		part := secret[at : at+window]
		if strings.Contains(text, part) || strings.Contains(text, strings.ToUpper(part)) {
			return "as it is", true
		}
		if strings.Contains(strings.ToLower(text), hex.EncodeToString([]byte(part))) {
			return "in hex", true
		}
		if at+12 <= len(secret) && strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(secret[at:at+12]))) {
			return "in base64", true
		}
	}
	return "", false
}

// around is what stands before the first part of secret.
func around(text, secret string) string {
	for at := 0; at+window <= len(secret); at++ {
		if i := strings.Index(text, secret[at:at+window]); i >= 0 {
			return text[max(0, i-160):min(len(text), i+window)]
		}
	}
	return ""
}
