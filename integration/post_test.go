package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// commandAfterSend is the one command that the bridge is for.
const commandAfterSend = "Group.CallbackAfterSendMsg"

// query is a callback's query, signed now as the specification says:
// SHA-256 of appToken and RequestTime, in hex.
func query(command string) url.Values {
	at := strconv.FormatInt(time.Now().Unix(), 10)
	sum := sha256.Sum256([]byte(appToken + at))
	return url.Values{
		"SdkAppid": {strconv.Itoa(app)}, "CallbackCommand": {command}, "contenttype": {"json"},
		"ClientIP": {"203.0.113.7"}, "OptPlatform": {"Web"},
		"RequestTime": {at}, "Sign": {hex.EncodeToString(sum[:])},
	}
}

// answer is what a callback was answered: the specification's three fields.
type answer struct {
	Status       int    `json:"-"`
	RetryAfter   string `json:"-"`
	ActionStatus string
	ErrorInfo    string
	ErrorCode    int
}

// post sends one callback on a connection of its own.
func post(t testing.TB, b *bridge, query url.Values, body []byte) answer {
	t.Helper()
	response, err := opsClient.Post(b.url+"?"+query.Encode(), "", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, response)
}

// readAnswer requires JSON with exactly the three fields.
func readAnswer(t testing.TB, response *http.Response) answer {
	t.Helper()
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	a := answer{Status: response.StatusCode, RetryAfter: response.Header.Get("Retry-After")}
	if err := json.Unmarshal(text, &fields); err != nil || len(fields) != 3 {
		t.Fatalf("answer %s: %q: %v", response.Status, text, err)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		t.Errorf("answer %s has the content type %q", response.Status, kind)
	}
	return a
}

// ok is the answer to a callback that is stored.
func (a answer) ok() bool {
	return a.Status == http.StatusOK && a.ActionStatus == "OK" && a.ErrorCode == 0 && a.ErrorInfo == ""
}
