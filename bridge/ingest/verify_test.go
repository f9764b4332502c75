package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

func tokensOf(tokens ...string) [][]byte {
	_, found, _ := newKeys([]App{{ID: 1, Tokens: tokens}}).app("1")
	return found
}

// The vectors of the provider's documentation and of our own notes on it (P7).
func TestVerifyAcceptsTheKnownVectors(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		token string
		at    int64
		sign  string
	}{
		{"xxxxyyyy", 1669872112, "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"},
		{"bridge-token-1", 1760000000, "d44096fa81f2affa94a4ec8c7e95b592a50586edb270d976ee9db546d44a1c59"},
		{"bridge-token-1", 1760000001, "bf935dd179e38c2f0fc0be7ac962f52a22112b71b2218dff1b4373a4ff643dfb"},
		{strings.Repeat("k", 128), 1760000000, "1f85b63ad899409f7547ae2b2c9d043a4a5fcff9039d5384420ebcee6ae7d9b0"},
	}
	for _, v := range vectors {
		at, now := strconv.FormatInt(v.at, 10), time.Unix(v.at, 0)
		for _, sign := range []string{v.sign, strings.ToUpper(v.sign), strings.ToUpper(v.sign[:9]) + v.sign[9:]} {
			if got, info := verify(tokensOf("other", v.token, "another"), sign, at, now); got != Stored {
				t.Errorf("%q at %d: %s %s", v.token, v.at, got, info)
			}
		}
		if got, _ := verify(tokensOf("xxxyyy"), v.sign, at, now); got != SignatureWrong {
			t.Errorf("%q at %d, with another token: %s", v.token, v.at, got)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	good := hexSign("t", "100")
	at := func(seconds int64) time.Time { return time.Unix(seconds, 999_999_999) }
	tests := []struct {
		name, sign, requestTime string
		now                     time.Time
		want                    Outcome
	}{
		{"exactly 60 s old", good, "100", at(160), Stored},
		{"61 s old", good, "100", at(161), SignatureStale},
		{"exactly 60 s early", good, "100", at(40), Stored},
		{"61 s early", good, "100", at(39), SignatureStale},
		{"stale and wrong is wrong", hexSign("x", "100"), "100", at(500), SignatureWrong},
		{"no Sign", "", "100", at(100), SignatureMissing},
		{"no RequestTime", good, "", at(100), SignatureMissing},
		{"Sign of another time", good, "101", at(100), SignatureWrong},
		{"Sign one digit short", good[1:], "100", at(100), SignatureWrong},
		{"Sign one digit long", good + "0", "100", at(100), SignatureWrong},
		{"Sign no hex", "g" + good[1:], "100", at(100), SignatureWrong},
		{"Sign of zeros", strings.Repeat("0", 64), "100", at(100), SignatureWrong},
		{"negative time", hexSign("t", "-100"), "-100", at(100), SignatureWrong},
		{"plus sign", hexSign("t", "+100"), "+100", at(100), SignatureWrong},
		{"space", hexSign("t", " 100"), " 100", at(100), SignatureWrong},
		{"fraction", hexSign("t", "100.0"), "100.0", at(100), SignatureWrong},
		{"milliseconds", hexSign("t", "100000"), "100000", at(100), SignatureStale},
		{"greater than any time", hexSign("t", "999999999999999999"), "999999999999999999", at(100), SignatureStale},
		{"over 18 digits", hexSign("t", "9999999999999999999"), "9999999999999999999", at(100), SignatureWrong},
		{"leading zero", hexSign("t", "0100"), "0100", at(100), Stored},
	}
	for _, tt := range tests {
		if got, _ := verify(tokensOf("t"), tt.sign, tt.requestTime, tt.now); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got, _ := verify(nil, "", "", at(0)); got != Stored {
		t.Errorf("an app without tokens: %s", got)
	}
}

func hexSign(token, requestTime string) string {
	sum := sha256.Sum256([]byte(token + requestTime))
	return hex.EncodeToString(sum[:])
}

// Apps are found by number, however the number is written.
func TestAppIsFoundByNumber(t *testing.T) {
	t.Parallel()
	k := newKeys([]App{{ID: 7, Tokens: []string{"a"}}, {ID: math.MaxInt64}})
	for id, want := range map[string]bool{
		"7": true, "007": true, "9223372036854775807": true, "18446744073709551616": false, "18446744073709551623": false,
		"": false, "8": false, "+7": false, "-7": false, "7 ": false, "7.0": false, "0x7": false, "7_": false, "٧": false,
	} {
		if _, _, ok := k.app(id); ok != want {
			t.Errorf("%q: found %t", id, ok)
		}
	}
}

func TestSamePath(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("x", maxPath-1)
	for _, tt := range []struct {
		got, want string
		same      bool
	}{
		{"/a", "/a", true}, {"/a", "/b", false}, {"/a", "/a/", false}, {"", "/", false}, {long, long, true},
		{long[:maxPath-1] + "y", long, false}, {long + "x", long, false}, {"/A", "/a", false},
	} {
		if samePath(tt.got, tt.want) != tt.same {
			t.Errorf("%.9q and %.9q: want %t", tt.got, tt.want, tt.same)
		}
	}
}

// verify agrees with the formula written down as plainly as can be.
func FuzzVerify(f *testing.F) {
	f.Add("token", "other", "1760000000", hexSign("token", "1760000000"), int64(1760000000))
	f.Add("token", "other", "1760000000", hexSign("other", "1760000000"), int64(1760000061))
	f.Add("a", "b", "1", strings.ToUpper(hexSign("a", "1")), int64(61))
	f.Add("", "", "", "", int64(0))
	f.Fuzz(func(t *testing.T, one, two, requestTime, sign string, now int64) {
		now %= 1 << 40
		got, _ := verify(tokensOf(one, two), sign, requestTime, time.Unix(now, 0))
		if want := plainVerify(one, two, requestTime, sign, now); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func plainVerify(one, two, requestTime, sign string, now int64) Outcome {
	if sign == "" || requestTime == "" {
		return SignatureMissing
	}
	at, err := strconv.ParseUint(requestTime, 10, 62)
	if err != nil || len(requestTime) > 18 {
		return SignatureWrong
	}
	signed := false
	for _, token := range []string{one, two} {
		// Only ASCII folds: ſ and K are no hex digits.
		signed = signed || strings.EqualFold(hexSign(token, requestTime), sign) && len(sign) == 64
	}
	switch {
	case !signed:
		return SignatureWrong
	case now-int64(at) > 60, int64(at)-now > 60:
		return SignatureStale
	default:
		return Stored
	}
}
