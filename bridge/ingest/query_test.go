package ingest

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/schema"
)

func TestParseQuery(t *testing.T) {
	t.Parallel()
	tests := map[string]query{
		"": {},
		"SdkAppid=1&CallbackCommand=c&Sign=s&RequestTime=2": {appID: "1", command: "c", sign: "s", requestTime: "2", hasCommand: true},
		"Sign=first&Sign=second&SdkAppid=&SdkAppid=1":       {sign: "first"},
		"sdkappid=1&SIGN=s&callbackcommand=c":               {},
		"S%69gn=%73&SdkAppi%64=%31&CallbackCommand=a%2Eb+c": {sign: "s", appID: "1", command: "a.b c", hasCommand: true},
		"%zz=1&SdkAppid=%zz":                                {appID: "%zz"},
		"&&=&Sign&CallbackCommand":                          {},
		"SdkAppid=1;Sign=s":                                 {appID: "1;Sign=s"},
		"CallbackCommand=&Sign=a=b":                         {sign: "a=b"},
	}
	for raw, want := range tests {
		if diff := cmp.Diff(want, parseQuery(raw), cmp.AllowUnexported(query{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", raw, diff)
		}
	}
}

func TestAppendWithoutSign(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                          "",
		"Sign=x":                    "",
		"a=1&Sign=x&b=2":            "a=1&b=2",
		"Sign=x&a=1":                "a=1",
		"a=1&Sign=x":                "a=1",
		"Sign=x&a=1&S%69gn=y&Sign":  "a=1",
		"sign=x&RequestSign=y&b":    "sign=x&RequestSign=y&b",
		"a=%41&&b=+&%zz":            "a=%41&&b=+&%zz",
		"&Sign=x&":                  "&",
		"ClientIP=%3A%3A1&SdkAppid": "ClientIP=%3A%3A1&SdkAppid",
	} {
		if got := string(appendWithoutSign(nil, raw)); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
	if got := string(appendWithoutSign([]byte("kept"), "Sign=x&a")); got != "kepta" {
		t.Errorf("appended: %q", got)
	}
}

// parseQuery reads a query as net/url does where that has an opinion; the
// stripped query has no Sign left and everything else as it was; and who reads the
// stored record later (schema) finds the app and the command that were let in.
func FuzzQuery(f *testing.F) {
	f.Add("SdkAppid=1400000001&CallbackCommand=Group.CallbackAfterSendMsg&contenttype=json&Sign=ab&RequestTime=1")
	f.Add("a=1&Sign=x&Sign=y&&b=%zz&S%69gn=z&SdkAppid=1&SdkAppid=2")
	f.Add("SdkAppid=01&CallbackCommand=&CallbackCommand=x")
	f.Add("SdkAppid=%31&Sdk%41ppid=2&CallbackCommand=a+b;c=d")
	f.Fuzz(func(t *testing.T, raw string) {
		q := parseQuery(raw)
		if values, err := url.ParseQuery(raw); err == nil {
			want := query{
				appID: values.Get("SdkAppid"), command: values.Get("CallbackCommand"), sign: values.Get("Sign"),
				requestTime: values.Get("RequestTime"), hasCommand: values.Get("CallbackCommand") != "",
			}
			if diff := cmp.Diff(want, q, cmp.AllowUnexported(query{})); diff != "" {
				t.Errorf("against net/url (-want +got):\n%s", diff)
			}
		}
		stripped := string(appendWithoutSign(nil, raw))
		left := parseQuery(stripped)
		if left.sign != "" || strings.HasPrefix(stripped, "Sign=") || strings.Contains(stripped, "&Sign=") {
			t.Errorf("Sign is left in %q", stripped)
		}
		q.sign = ""
		if diff := cmp.Diff(q, left, cmp.AllowUnexported(query{})); diff != "" {
			t.Errorf("stripping changed more than Sign (-want +got):\n%s", diff)
		}
		if again := string(appendWithoutSign(nil, stripped)); again != stripped {
			t.Errorf("stripped twice: %q, once: %q", again, stripped)
		}
		appID, err := strconv.ParseUint(q.appID, 10, 64)
		if err != nil || appID > math.MaxInt64 {
			return // refused: never stored
		}
		read, err := schema.ParseQuery(stripped, time.Unix(clock, 0))
		sameCommand := (read.Command == "") == (q.command == "") && (read.Command == message) == (q.command == message)
		if err != nil || read.AppID != appID || !sameCommand {
			t.Errorf("schema reads %q as %+v, %v; let in as %d %q", stripped, read, err, appID, q.command)
		}
	})
}
