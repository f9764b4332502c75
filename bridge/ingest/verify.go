package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strconv"
	"time"
)

// tolerance is how far a RequestTime may be off, in seconds, in either
// direction: what the provider tells receivers to check.
const tolerance = 60

// keys holds the tokens of each app. Immutable.
type keys map[uint64][][]byte

func newKeys(apps []App) keys {
	k := make(keys, len(apps))
	for _, app := range apps {
		tokens := make([][]byte, len(app.Tokens))
		for i, token := range app.Tokens {
			tokens[i] = []byte(token)
		}
		k[app.ID] = tokens
	}
	return k
}

// app finds the app that a query names.
func (k keys) app(id string) (appID uint64, tokens [][]byte, ok bool) {
	appID, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return 0, nil, false
	}
	tokens, ok = k[appID]
	return appID, tokens, ok
}

// verify decides whether sign is that of one of tokens over requestTime, and
// requestTime near now. It returns Stored for yes, else the outcome and, where
// it knows more than the table, a sentence. No tokens: everything is accepted.
//
// The signature is checked before the time, so that "stale" is only ever said
// to who knows a token: then it is the clocks.
func verify(tokens [][]byte, sign, requestTime string, now time.Time) (Outcome, string) {
	if len(tokens) == 0 {
		return Stored, ""
	}
	if sign == "" || requestTime == "" {
		return SignatureMissing, ""
	}
	signedAt, ok := parseSeconds(requestTime)
	if !ok {
		return SignatureWrong, "RequestTime is not a number of seconds"
	}
	if !signedByOneOf(tokens, sign, requestTime) {
		return SignatureWrong, ""
	}
	clock := now.Unix()
	if off := clock - signedAt; off > tolerance || off < -tolerance {
		return SignatureStale, fmt.Sprintf(
			"RequestTime %d is %d s off this server's clock, which reads %d; at most %d s are accepted: set the clocks (NTP)",
			signedAt, max(off, -off), clock, tolerance)
	}
	return Stored, ""
}

// signedByOneOf compares sign with SHA-256(token + requestTime) of each token.
// It always does all of them, each in constant time.
func signedByOneOf(tokens [][]byte, sign, requestTime string) bool {
	var given [sha256.Size]byte
	if !decodeHex(&given, sign) {
		return false
	}
	var scratch [192]byte // tokens have at most 128 bytes; longer ones cost an allocation
	match := 0
	for _, token := range tokens {
		signed := append(append(scratch[:0], token...), requestTime...)
		sum := sha256.Sum256(signed)
		match |= subtle.ConstantTimeCompare(sum[:], given[:])
	}
	return match == 1
}

// decodeHex decodes exactly 64 hex digits of either case.
func decodeHex(dst *[sha256.Size]byte, s string) bool {
	if len(s) != 2*len(dst) {
		return false
	}
	for i := range dst {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

// nibble is the value of one hex digit; 255 where c is none.
func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	default:
		return 255
	}
}

// parseSeconds reads Unix seconds: 1 to 18 digits and nothing else, so that no
// difference of two can overflow.
func parseSeconds(s string) (int64, bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// samePath compares without telling by its duration how much agrees.
func samePath(got, want string) bool {
	var a, b [maxPath]byte
	if len(got) != len(want) {
		return false
	}
	return subtle.ConstantTimeCompare(a[:copy(a[:], got)], b[:copy(b[:], want)]) == 1
}
