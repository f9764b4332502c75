package schema

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQueriesAreReadWithTolerance(t *testing.T) {
	at := goldenReceived()
	for raw, want := range map[string]Request{
		goldenQuery:                                   {1400000000, CommandAfterSend, "203.0.113.7", "Web", at},
		"OptPlatform=RESTAPI&SdkAppid=1":              {1, "", "", "RESTAPI", at},
		"SdkAppid=1&SdkAppid=2":                       {1, "", "", "", at},
		"SdkAppid=1&ClientIP=&ClientIP=::1":           {1, "", "", "", at},
		"SdkAppid=001":                                {1, "", "", "", at},
		"%53dkAppid=%31&OptPlatform=Windows+Phone%2b": {1, "", "", "Windows Phone+", at},
		"SdkAppid=1&ClientIP=2001%3Adb8%3A%3A1":       {1, "", "2001:db8::1", "", at},
		"SdkAppid=1&OptPlatform=100%&ClientIP=%zz%4":  {1, "", "%zz%4", "100%", at},
		"SdkAppid=1&OptPlatform=%ff":                  {1, "", "", "\ufffd", at},
		"&&=&x&SdkAppid=1&contenttype=json&sdkappid=2&RequestID=c637&Sign=a&=b&": {1, "", "", "", at},
		"SdkAppid=1&CallbackCommand=a=b":                                         {1, "a=b", "", "", at},
	} {
		got, err := ParseQuery(raw, at)
		if err != nil {
			t.Errorf("%q: %v", raw, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", raw, diff)
		}
	}
}

func TestQueriesWithoutAnAppAreRefused(t *testing.T) {
	for _, raw := range []string{
		"", "SdkAppid", "SdkAppid=", "SdkAppid=&SdkAppid=1", "SdkAppid=-1", "SdkAppid=1x", "SdkAppid=+1", "SdkAppid=1.0",
		"SdkAppid=9223372036854775808", "sdkappid=1",
	} {
		got, err := ParseQuery(raw+"&OptPlatform=iOS", goldenReceived())
		if !errors.Is(err, ErrNoAppID) || got.AppID != 0 || got.Platform != "iOS" {
			t.Errorf("%q: %+v, %v", raw, got, err)
		}
	}
}
